"""What packaging/ says is true of this tree and of this binary, as far as that can be known without a container engine.

Usage: packaging.py RERANK
Exit code: 0 good, 1 not.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(sys.argv[1]).resolve()
# In every Debian image: what C and C++ programs cannot do without.
BASE = {"libc6", "libgcc-s1", "libstdc++6"}


def run(*command):
    return subprocess.run(command, capture_output=True, text=True)


def stages_of(text):
    """The steps of each stage, one a line."""
    steps = [" ".join(step.split()) for step in re.sub(r"\\\n", " ", text).splitlines() if step and step[0] != "#"]
    stages = []
    for step in steps:
        if step.startswith("FROM "):
            stages.append([])
        stages[-1].append(step)
    return stages


def check_dockerfile():
    build, final = stages_of((ROOT / "packaging" / "Dockerfile").read_text())
    # What is copied from the tree, and what is run there, exists.
    for step in build + final:
        if step.startswith("COPY ") and "--from=" not in step:
            for source in step.split()[1:-1]:
                assert (ROOT / source).exists(), source
        for script in re.findall(r"RUN (scripts/\S+)", step):
            assert (ROOT / script).is_file(), script
    [configure] = [step for step in build if "cmake -S" in step]
    options = (ROOT / "CMakeLists.txt").read_text()
    for option in re.findall(r"-D(RERANK_\w+)=", configure):
        assert f"option({option} " in options, option
    # The second stage runs what the first one built, as nobody, where a container is reached.
    assert any(step.startswith("COPY --from=build /build/rerank ") for step in final), final
    assert "USER 65534:65534" in final and "STOPSIGNAL SIGTERM" in final
    assert 'ENTRYPOINT ["/usr/bin/rerank", "serve"]' in final
    serve_help = run(PROGRAM, "serve", "--help").stdout
    [variables] = [step for step in final if "RERANK_HOST" in step]
    for variable in re.findall(r"(RERANK_\w+)=", variables):
        assert variable in serve_help, variable
    check_libraries(final)


def check_libraries(final):
    """Each library that the binary is linked with comes with a package of the second stage."""
    if shutil.which("readelf") is None or shutil.which("dpkg") is None:
        print("skipped  the image's libraries: no readelf or dpkg")
        return
    system = pathlib.Path("/etc/os-release").read_text()
    if "\nID=debian\n" not in system or 'VERSION_ID="12"' not in system:
        print("skipped  the image's libraries: this is not the image's Debian")
        return
    [install] = [step for step in final if "apt-get install" in step]
    packages = set(install.split("&&")[1].split()) | BASE
    for library in re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "--dynamic", str(PROGRAM)).stdout):
        if library.startswith("ld-linux"):
            continue
        owners = {line.split(":")[0] for line in run("dpkg", "--search", library).stdout.splitlines()}
        assert owners & packages, f"{library} is in {owners}, which the image does not install"


def check_unit():
    text = (ROOT / "packaging" / "rerank.service").read_text()
    serve_help = run(PROGRAM, "serve", "--help").stdout
    for variable in re.findall(r"\b(RERANK_\w+)", text):
        assert variable in serve_help, variable
    # Longer than the time for what was accepted.
    drain = int(re.search(r"--drain-timeout SECONDS.*?\[(\d+)\]", serve_help, re.S).group(1))
    assert int(re.search(r"^TimeoutStopSec=(\d+)$", text, re.M).group(1)) > drain
    if shutil.which("systemd-analyze") is None:
        print("skipped  systemd-analyze is not installed")
        return
    with tempfile.TemporaryDirectory() as folder:
        unit = pathlib.Path(folder, "rerank.service")
        unit.write_text(text.replace("/usr/bin/rerank", str(PROGRAM)))
        done = run("systemd-analyze", "verify", "--man=no", str(unit))
        assert done.returncode == 0 and not done.stderr.strip(), done.stderr


def main():
    check_dockerfile()
    check_unit()


if __name__ == "__main__":
    main()

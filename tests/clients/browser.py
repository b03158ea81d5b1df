"""A headless Chromium that a test drives: pages are looked at when they are ready, not after some time."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# Keeps every state that the page's text goes through.
RECORDER = """
window.states = [];
new MutationObserver(() => { if (document.body) window.states.push(document.body.innerText); })
    .observe(document, {subtree: true, childList: true, characterData: true});
"""


class Browser:
    """Speaks the DevTools protocol through two pipes: each message is JSON that a NUL ends."""

    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        to_browser, self.out = os.pipe()
        self.input, from_browser = os.pipe()
        # The browser reads from descriptor 3 and writes to descriptor 4, whatever numbers the pipes have here; a plain
        # sh cannot name a descriptor above 9.
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{to_browser} 4>&{from_browser}', "bash", PROGRAM, "--headless", "--no-sandbox",
             "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={self.profile.name}", "--remote-debugging-pipe"],
            pass_fds=(to_browser, from_browser), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.rest = b""
        self.calls = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.out)
        os.close(self.input)
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.profile.cleanup()

    def call(self, method, session=None, **params):
        """The result of one command; events that come before it are dropped."""
        self.calls += 1
        message = {"id": self.calls, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + 120
        while True:
            while b"\0" in self.rest:
                line, self.rest = self.rest.split(b"\0", 1)
                answer = json.loads(line)
                if answer.get("id") == self.calls:
                    if "error" in answer:
                        raise RuntimeError(f"{method}: {answer['error']}")
                    return answer["result"]
            if not select.select([self.input], [], [], max(0, deadline - time.monotonic()))[0]:
                raise RuntimeError(f"{method}: no answer from {PROGRAM}")
            part = os.read(self.input, 1 << 20)
            if not part:
                raise RuntimeError(f"{method}: {PROGRAM} has ended")
            self.rest += part


class Page:
    """A tab at `url`, once the JavaScript expression `ready` is true there."""

    def __init__(self, browser, url, ready, seconds=120):
        self.browser = browser
        self.target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        self.call("Page.enable")
        self.call("Page.addScriptToEvaluateOnNewDocument", source=RECORDER)
        self.call("Page.navigate", url=url)
        self.wait(f"location.href !== 'about:blank' && document.readyState === 'complete' && ({ready})", seconds)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.browser.call("Target.closeTarget", targetId=self.target)

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def evaluate(self, expression):
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def wait(self, condition, seconds=120):
        deadline = time.monotonic() + seconds
        while self.evaluate(condition) is not True:
            if time.monotonic() > deadline:
                raise AssertionError(f"not ready after {seconds} s: " + str(self.evaluate("document.body.innerText")))
            time.sleep(0.05)

    def press(self, key):
        """Tab or Enter, as a keyboard sends it."""
        code = {"Tab": 9, "Enter": 13}[key]
        key_event = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", **key_event, **({"text": "\r"} if key == "Enter" else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **key_event)

    def dom(self):
        return self.evaluate("document.documentElement.outerHTML")

    def screenshot(self, file, scheme, width=1100, height=1250):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

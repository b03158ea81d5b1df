#!/usr/bin/env bash
# Installs a build into an empty prefix and uses it from outside, by CMake's way and by pkg-config's; both programs have
# to find the same passage best, and print the same.
#
# Usage: install_and_use.sh BUILD_FOLDER EXAMPLE_FOLDER SCRATCH_FOLDER CXX
set -euo pipefail
build=$1 example=$2 scratch=$3 cxx=$4

rm -rf "$scratch"
mkdir -p "$scratch"
cmake --install "$build" --prefix "$scratch/prefix" >"$scratch/install.log"
# A package must not lean on the place where it was built or first installed.
mv "$scratch/prefix" "$scratch/moved"
prefix=$scratch/moved
if grep -rlF "$build" "$prefix" --include='*.cmake' --include='*.pc' --include='*.h'; then
  echo "the files above name the build folder" >&2
  exit 1
fi

cmake -S "$example" -B "$scratch/cmake" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$cxx" \
  -DCMAKE_PREFIX_PATH="$prefix"
cmake --build "$scratch/cmake"
"$scratch/cmake/rank_passages" | tee "$scratch/by_cmake.txt"

PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name rerank.pc)")
export PKG_CONFIG_PATH
read -ra flags < <(pkg-config --cflags --libs rerank)
"$cxx" -std=c++20 -Wall -Wextra -Werror -o "$scratch/by_pkg_config" "$example/main.cc" "${flags[@]}"
"$scratch/by_pkg_config" | tee "$scratch/by_pkg_config.txt"

cmp "$scratch/by_cmake.txt" "$scratch/by_pkg_config.txt"
head -n 1 "$scratch/by_cmake.txt" | grep -q "lives almost wholly on bamboo"
"$prefix/bin/rerank" --version

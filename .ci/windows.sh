#!/usr/bin/env bash
# Builds the tests for Windows and runs them under Wine; the last line counts.
#
#   .ci/windows.sh [x86_64-pc-windows-gnu]
#
# The compiler is Debian's, with the library's source, as in targets.sh; the linker is MinGW's. What
# is missing is installed by apt, which takes root. Wine is not Windows: what it does otherwise is
# listed below, once, and left out by name.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${1:-x86_64-pc-windows-gnu}

# What Wine 8 cannot do, and the tests that look at it.
cannot=(
    # Its server asks the socket for its error when it polls, and so takes it away: a read after a
    # reset is an end of stream.
    afd::a_reset_is_reported_in_both_directions
    # Its server holds a socket until the thread that has asked about it has heard that the question
    # was taken back: the port is free 0.1 to 4 ms after the close.
    d7_the_port_is_free_when_close_returns
)

missing=()
for package in gcc-mingw-w64-x86-64-win32 wine64 rustc-web cargo-web rust-web-src; do
    dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
if ((${#missing[@]})); then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# Debian keeps it out of PATH.
PATH=$PATH:/usr/lib/wine
scratch=$(mktemp -d)
export WINEPREFIX=$scratch/prefix WINEDEBUG=-all
# The server ends when nobody has used it for a moment.
trap 'wineserver64 -k 2>/dev/null || true; rm -rf "$scratch"' EXIT
wine64 wineboot -i >/dev/null 2>&1

# std wants random numbers of a library that Wine 8 does not have; it has them under another name.
if ! test -e "$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll"; then
    cat >"$scratch/prng.c" <<'END'
#include <windows.h>
#include <ntsecapi.h>
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE bytes, SIZE_T len) {
    return RtlGenRandom(bytes, (ULONG)len);
}
END
    x86_64-w64-mingw32-gcc -shared -o "$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll" \
        "$scratch/prng.c" -ladvapi32
fi

skips=()
for name in "${cannot[@]}"; do skips+=(--skip "$name"); done

debian() {
    RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc RUSTC_BOOTSTRAP=1 RUSTFLAGS="-D warnings" \
        CARGO_TARGET_DIR=target/windows CARGO_PROFILE_DEV_DEBUG=0 \
        CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=x86_64-w64-mingw32-gcc \
        CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER=wine64 /usr/bin/cargo "$@"
}

run() {
    printf '\n== %s\n' "$*"
    debian test --locked -Zbuild-std=std,panic_abort --target "$target" "$@" \
        -- --test-threads=4 "${skips[@]}" 2>&1 | tee -a "$scratch/log"
}

run -p netwheel-timers --lib
run -p netwheel-netpoll --lib --test backends
run -p netwheel --lib --test it

awk -v left_out="${#cannot[@]}" -v wine="$(wine64 --version)" '
    # A test that runs another one in a process of its own prints a result of that one: not these.
    /^test .* \.\.\. ok$/ { passed++ }
    /^test stamped::afd::.* \.\.\. ok$/ { afd++ }
    /^test conformance::.* \.\.\. ok$/ { laws++ }
    END {
        printf "\nrun under %s: %d tests passed, %d of them of the backend, %d of the conformance suite; %d left out\n",
            wine, passed, afd, laws, left_out
    }
' "$scratch/log"

#!/usr/bin/env bash
# Checks the crates for the systems that are not this one, and links where a linker can be had.
#
#   .ci/targets.sh              all targets
#   .ci/targets.sh TARGET...    these
#
# The compiler is Debian's, with the library's source, so that std can be checked for targets that
# nobody ships a std for here. What is missing is installed: by apt, which takes root, and by pip
# and cargo for the linkers. One line a target says what was done; what can't be done is said too.
set -euo pipefail
cd "$(dirname "$0")/.."

# What is checked: everything that knows of no system but by its own abstraction of them.
packages=(netwheel-timers netwheel-netpoll netwheel)

targets=(
    x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu
    x86_64-apple-darwin aarch64-apple-darwin
    x86_64-unknown-freebsd x86_64-unknown-netbsd x86_64-unknown-openbsd x86_64-unknown-dragonfly
    x86_64-unknown-illumos x86_64-pc-solaris
    x86_64-pc-windows-gnu
)
# Linked too, by zig: a program of the crate's tests, which can't be run here.
linked=(aarch64-apple-darwin x86_64-unknown-freebsd x86_64-unknown-netbsd)

if (($#)); then targets=("$@"); fi

install() {
    local missing=()
    for package in "$@"; do
        dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
    done
    if ((${#missing[@]})); then
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    fi
}

# Debian's toolchain, whatever else is in PATH; `-Zbuild-std` wants to be asked for like this.
debian() {
    RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc RUSTC_BOOTSTRAP=1 \
        CARGO_TARGET_DIR=target/targets RUSTFLAGS="-D warnings ${RUSTFLAGS-}" /usr/bin/cargo "$@"
}

install rustc-web cargo-web rust-web-src
# std itself is not checked for Windows without it.
if [[ " ${targets[*]} " == *-windows-* ]]; then install binutils-mingw-w64-x86-64; fi
echo "compiler: $(/usr/bin/rustc --version)"

select=()
for package in "${packages[@]}"; do select+=(-p "$package"); done
std=(-Zbuild-std=std,panic_abort)

failed=0
row() {
    printf '| %s | %s | %s |\n' "$@"
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
row target check link
row --- --- ---
for target in "${targets[@]}"; do
    check=ok link="no linker here"
    if ! debian check --locked "${std[@]}" --target "$target" "${select[@]}" --all-features >"$log" 2>&1; then
        check=FAILED link=- failed=1
        grep -E '^error' -A12 "$log" >&2 || tail -n 20 "$log" >&2
    else
        case $target in
            *-windows-*)
                # Linked and run by a script of its own, if there is one.
                if test -x .ci/windows.sh; then
                    if .ci/windows.sh "$target" >"$log" 2>&1; then link="$(tail -n 1 "$log")"; else
                        link=FAILED failed=1
                        tail -n 40 "$log" >&2
                    fi
                fi
                ;;
            *)
                for one in "${linked[@]}"; do
                    test "$one" = "$target" || continue
                    if ! command -v cargo-zigbuild >/dev/null; then
                        pip install --quiet ziglang 2>"$log" &&
                            cargo install --quiet --locked cargo-zigbuild 2>>"$log" || true
                    fi
                    if ! command -v cargo-zigbuild >/dev/null; then
                        link="no zig: $(tail -n 1 "$log")"
                        continue
                    fi
                    if debian zigbuild --locked "${std[@]}" --target "$target" \
                        -p netwheel-netpoll --test backends >"$log" 2>&1; then
                        link="linked by zig"
                    else
                        link=FAILED failed=1
                        grep -E '^(error|.*undefined)' -A6 "$log" | head -n 40 >&2
                    fi
                done
                ;;
        esac
    fi
    row "$target" "$check" "$link"
done
exit $failed

#!/bin/sh
# Makes the test images from Debian packages and the workspace's own pinger, as OCI archives.
#
#   build.sh OUT_DIR PINGER_BINARY [IMAGE...]
#
# IMAGE: pinger, busybox, nginx-1.14.2, nginx-1.16.1; all without one. Tags are names that manifests use: the nginx in the
# image is Debian's. An archive that is there already, made by the same scripts from the same binary, is kept.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/oci.sh"
out=${1:?usage: build.sh OUT_DIR PINGER_BINARY [IMAGE...]}
pinger=${2:?usage: build.sh OUT_DIR PINGER_BINARY [IMAGE...]}
shift 2
[ $# -gt 0 ] || set -- pinger busybox nginx-1.14.2 nginx-1.16.1

mkdir -p "$out/debs"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
path='"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"'

# Unpacks Debian packages into a directory; what was downloaded once is kept.
unpack_packages() {
    target=$1
    shift
    for package in "$@"; do
        if [ ! -e "$out/debs/$package.deb" ]; then
            (cd "$work" && apt-get -o APT::Sandbox::User=root download -qq "$package" >&2)
            mv "$work/$package"_*.deb "$out/debs/$package.deb"
        fi
        dpkg-deb --fsys-tarfile "$out/debs/$package.deb" | tar -C "$target" --keep-directory-symlink -xf -
    done
}

base_files() {
    mkdir -p "$1/etc" "$1/tmp" "$1/root" "$1/proc" "$1/sys" "$1/dev" "$1/var/tmp"
    chmod 1777 "$1/tmp" "$1/var/tmp"
    printf '%s\n' root:x:0:0:root:/root:/bin/sh www-data:x:33:33::/var/www:/bin/false \
        nobody:x:65534:65534::/nonexistent:/bin/false >"$1/etc/passwd"
    printf '%s\n' root:x:0: www-data:x:33: nogroup:x:65534: >"$1/etc/group"
}

# Debian's static busybox with its applets as hard links.
busybox_files() {
    mkdir -p "$1/bin" "$work/busybox-package"
    unpack_packages "$work/busybox-package" busybox-static
    # The package keeps it in /bin or, after the merge, in /usr/bin.
    cp "$(find "$work/busybox-package" -name busybox -type f -perm -u+x | head -n 1)" "$1/bin/busybox"
    for applet in $("$1/bin/busybox" --list); do
        [ -e "$1/bin/$applet" ] || ln "$1/bin/busybox" "$1/bin/$applet"
    done
}

build_busybox() {
    busybox_files "$1"
    base_files "$1"
    oci_archive "$1" "$2" docker.io/library/busybox:latest "{\"Env\":[$path],\"Cmd\":[\"sh\"]}"
}

build_pinger() {
    base_files "$1"
    cp "$pinger" "$1/pinger"
    chmod 755 "$1/pinger"
    oci_archive "$1" "$2" docker.io/reselbob/pinger:latest \
        "{\"Env\":[$path],\"Entrypoint\":[\"/pinger\"],\"ExposedPorts\":{\"3000/tcp\":{}}}"
}

# nginx with the shared libraries that its package names, a shell, and an index page that says the tag.
build_nginx() {
    tag=$3
    mkdir -p "$1/usr/bin" "$1/usr/sbin" "$1/usr/lib" "$1/usr/lib64"
    for link in bin sbin lib lib64; do ln -s "usr/$link" "$1/$link"; done
    libraries=$(apt-cache depends --important nginx | sed -n 's/^ *Depends: \(lib[^ ]*\|zlib1g\)$/\1/p')
    # shellcheck disable=SC2086 # one package a word
    unpack_packages "$1" nginx libcrypt1 $libraries
    rm -rf "$1/usr/share" "$1/etc/init.d" "$1/lib/systemd" "$1/etc/nginx"
    busybox_files "$1"
    base_files "$1"
    mkdir -p "$1/etc/nginx" "$1/usr/share/nginx/html" "$1/var/log/nginx" "$1/var/lib/nginx" "$1/run"
    ln -s /dev/stdout "$1/var/log/nginx/access.log"
    ln -s /dev/stderr "$1/var/log/nginx/error.log"
    cat >"$1/etc/nginx/nginx.conf" <<CONF
user www-data;
worker_processes 1;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log notice;
events { worker_connections 256; }
http {
    access_log /var/log/nginx/access.log;
    types { text/html html; }
    server {
        listen 80;
        root /usr/share/nginx/html;
        location = /hostname { default_type text/plain; return 200 "\$hostname\\n"; }
    }
}
CONF
    printf '<html><title>Welcome to nginx!</title><h1>nginx %s</h1></html>\n' "$tag" >"$1/usr/share/nginx/html/index.html"
    # Fails here, not in a test, when a library is missing.
    chroot "$1" /usr/sbin/nginx -v >&2
    oci_archive "$1" "$2" "docker.io/library/nginx:$tag" \
        "{\"Env\":[$path],\"Cmd\":[\"nginx\",\"-g\",\"daemon off;\"],\"StopSignal\":\"SIGQUIT\",\"ExposedPorts\":{\"80/tcp\":{}}}"
}

for image in "$@"; do
    key=$(cat "$here/build.sh" "$here/oci.sh" "$pinger" | sha256sum | cut -c1-16)
    archive="$out/$image.tar"
    [ "$(cat "$archive.key" 2>/dev/null)" = "$key" ] && [ -e "$archive" ] && continue
    rootfs="$work/$image"
    mkdir "$rootfs"
    case "$image" in
    busybox) build_busybox "$rootfs" "$archive" ;;
    pinger) build_pinger "$rootfs" "$archive" ;;
    nginx-*) build_nginx "$rootfs" "$archive" "${image#nginx-}" ;;
    *) echo "build.sh: there is no image $image" >&2 && exit 2 ;;
    esac
    echo "$key" >"$archive.key"
    echo "made $archive" >&2
done

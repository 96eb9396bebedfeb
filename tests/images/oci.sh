# OCI archives from directories, with nothing but a shell, tar, gzip and coreutils. To be sourced.
#
#   oci_archive ROOTFS OUT NAME:TAG CONFIG
#
# packs the tree ROOTFS as a one-layer image into the OCI archive OUT; CONFIG is the `config` object of the image configuration
# (JSON). The same input gives the same bytes: times, owners and order are fixed.
# Follows the OCI image specification 1.1 (image-layout, manifest, config).

oci_architecture() {
    case "$(uname -m)" in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
    *) uname -m ;;
    esac
}

# Makes the file blob of layout $1 one of its blobs and sets blob_digest and blob_size.
oci_blob() {
    blob_digest=$(sha256sum "$1/blob" | cut -d' ' -f1)
    blob_size=$(stat -c %s "$1/blob")
    mv "$1/blob" "$1/blobs/sha256/$blob_digest"
}

oci_archive() ( # a subshell: its variables are its own
    rootfs=$1 out=$2 name=$3 config=$4
    layout=$(mktemp -d)
    mkdir -p "$layout/blobs/sha256"

    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$rootfs" -cf "$layout/layer.tar" .
    diff_id=$(sha256sum "$layout/layer.tar" | cut -d' ' -f1)
    gzip -n -6 <"$layout/layer.tar" >"$layout/blob"
    oci_blob "$layout"
    layer="{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"sha256:$blob_digest\",\"size\":$blob_size}"
    rm "$layout/layer.tar"

    printf '{"architecture":"%s","os":"linux","config":%s,"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[{"comment":"%s"}]}' \
        "$(oci_architecture)" "$config" "$diff_id" "$name" >"$layout/blob"
    oci_blob "$layout"
    image="{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"sha256:$blob_digest\",\"size\":$blob_size}"

    printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":%s,"layers":[%s]}' \
        "$image" "$layer" >"$layout/blob"
    oci_blob "$layout"

    printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s,"annotations":{"io.containerd.image.name":"%s","org.opencontainers.image.ref.name":"%s"}}]}' \
        "$blob_digest" "$blob_size" "$name" "${name##*:}" >"$layout/index.json"
    printf '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"

    mkdir -p "$(dirname "$out")"
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$layout" -cf "$out.$$" oci-layout index.json blobs
    mv "$out.$$" "$out"
    rm -rf "$layout"
)

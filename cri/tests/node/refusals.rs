//! Requests that get an error that names what is wrong, and leave nothing.

use kingpost_proto::cri;
use tonic::Code;

use crate::harness::{IMAGE, Node, Requests as _, able, script};

#[tokio::test]
async fn errors_name_the_object_or_the_field() {
    if !able() {
        return;
    }
    let node = Node::start().await;
    let mut runtime = node.runtime().await;
    let request = cri::PodSandboxStatusRequest { pod_sandbox_id: "nope".into(), verbose: false };
    let error = runtime.pod_sandbox_status(request).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::NotFound, "sandbox \"nope\" not found"));

    let mut sandbox = node.sandbox("refused");
    let request = cri::RunPodSandboxRequest { config: Some(sandbox.clone()), runtime_handler: "kata".into() };
    let error = runtime.run_pod_sandbox(request).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert!(error.message().contains("kata"));

    sandbox.linux.as_mut().unwrap().sysctls.insert("kernel.core_pattern".into(), "|/bin/x".into());
    let request = cri::RunPodSandboxRequest { config: Some(sandbox), runtime_handler: String::new() };
    let error = runtime.run_pod_sandbox(request).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert!(error.message().contains("kernel.core_pattern"), "{error}");

    let sandbox = node.sandbox("good");
    let pod = runtime.run(&sandbox).await;
    let mut config = script("c", "true");
    config.image.as_mut().unwrap().image = "docker.io/library/unknown:1".into();
    let error = runtime.create(&pod, &sandbox, config).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    assert!(error.message().contains("library/unknown:1"), "{error}");

    let mut config = script("c", "true");
    config.log_path = "../../escape.log".into();
    let error = runtime.create(&pod, &sandbox, config).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument, "{error}");

    let mut config = script("c", "true");
    config.mounts.push(cri::Mount {
        container_path: "/x".into(),
        host_path: "/nowhere".into(),
        ..Default::default()
    });
    let error = runtime.create(&pod, &sandbox, config).await.unwrap_err();
    assert!(error.message().contains("mounts[0].host_path"), "{error}");

    let left = runtime.list_containers(cri::ListContainersRequest::default()).await.unwrap().into_inner();
    assert!(left.containers.is_empty());
    runtime.remove_pod(&pod).await;
    let left = runtime.list_pod_sandbox(cri::ListPodSandboxRequest::default()).await.unwrap().into_inner();
    assert!(left.items.is_empty());
}

#[tokio::test]
async fn rpcs_that_are_not_there_say_so() {
    if !able() {
        return;
    }
    let node = Node::start().await;
    let mut runtime = node.runtime().await;
    let error = runtime.port_forward(cri::PortForwardRequest::default()).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Unimplemented, "PortForward is not implemented"));
    let error = runtime.checkpoint_container(cri::CheckpointContainerRequest::default()).await.unwrap_err();
    assert_eq!(error.code(), Code::Unimplemented);
}

#[tokio::test]
async fn images_have_one_name_in_every_answer() {
    if !able() {
        return;
    }
    let node = Node::start().await;
    let (mut runtime, mut images) = (node.runtime().await, node.images().await);
    let all = images.list_images(cri::ListImagesRequest::default()).await.unwrap().into_inner().images;
    assert_eq!(all.len(), 1);
    let image = &all[0];
    assert_eq!(image.repo_tags, [IMAGE]);
    assert!(image.id.starts_with("sha256:") && image.size > 0);
    for name in [IMAGE, "busybox", &image.id] {
        let spec = cri::ImageSpec { image: name.into(), ..cri::ImageSpec::default() };
        let request = cri::ImageStatusRequest { image: Some(spec), verbose: true };
        let answer = images.image_status(request).await.unwrap().into_inner();
        assert_eq!(answer.image.unwrap().id, image.id, "{name}");
        assert!(answer.info["info"].contains("imageSpec"));
    }
    let sandbox = node.sandbox("image");
    let pod = runtime.run(&sandbox).await;
    let container = runtime.create(&pod, &sandbox, script("c", "true")).await.unwrap();
    let status = runtime.status_of(&container).await;
    assert_eq!(status.image_id, image.id);
    assert_eq!(status.image.unwrap().image, IMAGE);
    runtime.remove_pod(&pod).await;
    let spec = cri::ImageSpec { image: image.id.clone(), ..cri::ImageSpec::default() };
    for _ in 0..2 {
        images.remove_image(cri::RemoveImageRequest { image: Some(spec.clone()) }).await.unwrap();
    }
    let request = cri::ImageStatusRequest { image: Some(spec), verbose: false };
    assert!(images.image_status(request).await.unwrap().into_inner().image.is_none());
}

/// SECURITY.md, S11 and S12: with a umask of 000 others get at nothing.
#[tokio::test]
async fn state_and_sockets_are_private_whatever_the_umask() {
    use std::os::unix::fs::MetadataExt as _;

    if !able() {
        return;
    }
    let node = Node::start().await;
    let mut runtime = node.runtime().await;
    let sandbox = node.sandbox("private");
    let pod = runtime.run(&sandbox).await;
    let container = runtime.create(&pod, &sandbox, script("c", "sleep 1000")).await.unwrap();
    runtime.begin(&container).await.unwrap();
    let mode = |path: &str| std::fs::metadata(node.directory.path().join(path)).unwrap().mode() & 0o777;
    assert_eq!(mode("cri.sock"), 0o600);
    for directory in ["root", "root/sandboxes", "root/containers", "run/shim"] {
        assert_eq!(mode(directory) & 0o077, 0, "{directory}");
    }
    assert_eq!(mode(&format!("root/containers/{container}/record")) & 0o077, 0);
    assert_eq!(mode("logs/private") & 0o022, 0);
    let abstract_sockets = std::fs::read_to_string("/proc/net/unix").unwrap();
    assert!(!abstract_sockets.lines().any(|line| line.contains("@kingpost")), "no abstract sockets");
    runtime.remove_pod(&pod).await;
}

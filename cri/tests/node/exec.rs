//! ExecSync, and exec and attach over WebSocket.

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use kingpost_proto::cri;
use kingpost_proto::remote_command::{Channel, ExitStatus, Frame, Version};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};
use tonic::Code;

use crate::harness::{Node, PATIENCE, Requests as _, Runtime, able, script};

type Socket = tokio_tungstenite::WebSocketStream<tokio::net::TcpStream>;

async fn a_container(node: &Node, runtime: &mut Runtime, text: &str) -> (String, String) {
    let sandbox = node.sandbox("exec");
    let pod = runtime.run(&sandbox).await;
    let mut config = script("c", text);
    config.stdin = true;
    let container = runtime.create(&pod, &sandbox, config).await.unwrap();
    runtime.begin(&container).await.unwrap();
    (pod, container)
}

async fn open(node: &Node, url: &str, version: Version) -> Result<Socket, tungstenite::Error> {
    let port = url.split(':').nth(2).unwrap().split('/').next().unwrap().parse().unwrap();
    let mut request = url.replacen("http", "ws", 1).into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", version.name().parse().unwrap());
    let (socket, _) = tokio_tungstenite::client_async(request, node.connect(port).await).await?;
    Ok(socket)
}

/// Everything that comes until the end: stdout, stderr, status.
async fn collect(socket: &mut Socket, version: Version) -> (Vec<u8>, Vec<u8>, Option<ExitStatus>) {
    let (mut out, mut err, mut status) = (Vec::new(), Vec::new(), None);
    let all = async {
        while let Some(Ok(message)) = socket.next().await {
            let Message::Binary(bytes) = message else { continue };
            match Frame::decode(version, &bytes).unwrap() {
                Frame::Data(Channel::Stdout, data) => out.extend_from_slice(&data),
                Frame::Data(Channel::Stderr, data) => err.extend_from_slice(&data),
                Frame::Data(Channel::Error, data) => status = Some(ExitStatus::from_json(&data)),
                other => panic!("unexpected {other:?}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, all).await.unwrap();
    (out, err, status)
}

async fn send(socket: &mut Socket, frame: Frame) {
    socket.send(Message::Binary(frame.encode())).await.unwrap();
}

fn request(container: &str, text: &str) -> cri::ExecRequest {
    cri::ExecRequest {
        container_id: container.into(),
        cmd: vec!["sh".into(), "-c".into(), text.into()],
        tty: false,
        stdin: true,
        stdout: true,
        stderr: true,
    }
}

#[tokio::test]
async fn exec_sync_returns_output_code_and_timeout() {
    if !able() {
        return;
    }
    let node = Node::start().await;
    let mut runtime = node.runtime().await;
    let (pod, container) = a_container(&node, &mut runtime, "sleep 1000").await;
    let answer = runtime.sync(&container, "echo out; echo err >&2; exit 4").await;
    assert_eq!(
        (answer.stdout.as_slice(), answer.stderr.as_slice(), answer.exit_code),
        (&b"out\n"[..], &b"err\n"[..], 4)
    );
    let slow = cri::ExecSyncRequest {
        container_id: container.clone(),
        cmd: vec!["sleep".into(), "1000".into()],
        timeout: 1,
    };
    let error = runtime.exec_sync(slow).await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    let missing =
        cri::ExecSyncRequest { container_id: container.clone(), cmd: vec!["/no/such".into()], timeout: 1 };
    let error = runtime.exec_sync(missing).await.unwrap_err();
    assert!(error.message().contains("no such file or directory"), "{error}");
    // SECURITY.md, S10: a command that prints without end is cut, and read on.
    let answer = runtime.sync(&container, "head -c 50000000 /dev/zero; exit 2").await;
    assert_eq!(answer.exit_code, 2);
    assert!((15 << 20..=16 << 20).contains(&answer.stdout.len()), "{}", answer.stdout.len());
    runtime.remove_pod(&pod).await;
}

#[tokio::test]
async fn exec_over_websocket_carries_streams_and_exit_code() {
    if !able() {
        return;
    }
    let node = Node::start().await;
    let mut runtime = node.runtime().await;
    let (pod, container) = a_container(&node, &mut runtime, "sleep 1000").await;
    // Version 5 can end stdin alone.
    let url =
        runtime.exec(request(&container, "cat; echo done >&2; exit 42")).await.unwrap().into_inner().url;
    let mut socket = open(&node, &url, Version::V5).await.unwrap();
    send(&mut socket, Frame::Data(Channel::Stdin, Bytes::from_static(b"hello "))).await;
    send(&mut socket, Frame::Data(Channel::Stdin, Bytes::from_static(b"there\n"))).await;
    send(&mut socket, Frame::Close(Channel::Stdin)).await;
    let (out, err, status) = collect(&mut socket, Version::V5).await;
    assert_eq!((out.as_slice(), err.as_slice()), (&b"hello there\n"[..], &b"done\n"[..]));
    assert_eq!(status, Some(ExitStatus::NonZero(42)));
    assert!(open(&node, &url, Version::V5).await.is_err(), "a URL works once");

    let url = runtime.exec(request(&container, "head -n 1")).await.unwrap().into_inner().url;
    let mut socket = open(&node, &url, Version::V4).await.unwrap();
    send(&mut socket, Frame::Data(Channel::Stdin, Bytes::from_static(b"v4\n"))).await;
    let (out, _, status) = collect(&mut socket, Version::V4).await;
    assert_eq!((out.as_slice(), status), (&b"v4\n"[..], Some(ExitStatus::Success)));

    let url = runtime.exec(request(&container, "head -c 10000000 /dev/zero")).await.unwrap().into_inner().url;
    let mut socket = open(&node, &url, Version::V5).await.unwrap();
    let (out, _, status) = collect(&mut socket, Version::V5).await;
    assert_eq!((out.len(), status), (10_000_000, Some(ExitStatus::Success)));
    runtime.remove_pod(&pod).await;
}

#[tokio::test]
async fn a_terminal_has_one_stream_and_a_size() {
    if !able() {
        return;
    }
    let node = Node::start().await;
    let mut runtime = node.runtime().await;
    let (pod, container) = a_container(&node, &mut runtime, "sleep 1000").await;
    let mut wanted = request(&container, "tty; read line; stty size; echo err >&2; exit 3");
    wanted.tty = true;
    assert_eq!(runtime.exec(wanted.clone()).await.unwrap_err().code(), Code::InvalidArgument);
    wanted.stderr = false;
    let url = runtime.exec(wanted).await.unwrap().into_inner().url;
    let mut socket = open(&node, &url, Version::V5).await.unwrap();
    let size = Bytes::from_static(br#"{"Width":123,"Height":45}"#);
    send(&mut socket, Frame::Data(Channel::Resize, size)).await;
    send(&mut socket, Frame::Data(Channel::Stdin, Bytes::from_static(b"go\n"))).await;
    let (out, err, status) = collect(&mut socket, Version::V5).await;
    let out = String::from_utf8(out).unwrap();
    assert!(out.starts_with("/dev/pts/") && out.contains("45 123") && out.contains("err"), "{out:?}");
    assert!(err.is_empty());
    assert_eq!(status, Some(ExitStatus::NonZero(3)));
    runtime.remove_pod(&pod).await;
}

#[tokio::test]
async fn attach_reads_and_writes_the_container() {
    if !able() {
        return;
    }
    let node = Node::start().await;
    let mut runtime = node.runtime().await;
    let (pod, container) = a_container(&node, &mut runtime, "read line; echo got $line; exit 6").await;
    let attach = cri::AttachRequest {
        container_id: container.clone(),
        stdin: true,
        tty: false,
        stdout: true,
        stderr: true,
    };
    let url = runtime.attach(attach).await.unwrap().into_inner().url;
    let mut socket = open(&node, &url, Version::V5).await.unwrap();
    send(&mut socket, Frame::Data(Channel::Stdin, Bytes::from_static(b"it\n"))).await;
    let (out, _, status) = collect(&mut socket, Version::V5).await;
    assert_eq!((out.as_slice(), status), (&b"got it\n"[..], Some(ExitStatus::Success)));
    assert_eq!(runtime.exited(&container).await.exit_code, 6);
    runtime.remove_pod(&pod).await;
}

/// SECURITY.md, S10: clients that never read, and clients that never ask, cost little and are forgotten.
#[tokio::test]
async fn stalled_clients_do_not_stop_others() {
    if !able() {
        return;
    }
    let node = Node::start().await;
    let mut runtime = node.runtime().await;
    let (pod, container) = a_container(&node, &mut runtime, "sleep 1000").await;
    let mut stalled = Vec::new();
    for _ in 0..20 {
        let url = runtime.exec(request(&container, "cat /dev/zero")).await.unwrap().into_inner().url;
        stalled.push(open(&node, &url, Version::V5).await.unwrap());
    }
    let port = {
        let url = runtime.exec(request(&container, "true")).await.unwrap().into_inner().url;
        url.split(':').nth(2).unwrap().split('/').next().unwrap().parse().unwrap()
    };
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(node.connect(port).await);
    }
    let memory = node.server_memory();
    assert!(memory < 200 << 20, "{memory} bytes");
    let answer = runtime.sync(&container, "echo still here").await;
    assert_eq!(answer.stdout, b"still here\n");
    let url = runtime.exec(request(&container, "echo streams too")).await.unwrap().into_inner().url;
    let (out, _, status) = collect(&mut open(&node, &url, Version::V5).await.unwrap(), Version::V5).await;
    assert_eq!((out.as_slice(), status), (&b"streams too\n"[..], Some(ExitStatus::Success)));
    drop(stalled);
    runtime.remove_pod(&pod).await;
}

//! The whole proxy against an API server that speaks HTTP's list and watch. Needs root.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure here is a failed test"
)]

mod cluster;

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cluster::{Cluster, ip};
use futures::{Stream, StreamExt, stream};
use http::{Request, Response};
use http_body_util::StreamBody;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

type Frames = Pin<Box<dyn Stream<Item = Result<http_body::Frame<bytes::Bytes>, Infallible>> + Send>>;

/// Lists by kind, and for each kind the open watch.
#[derive(Clone, Default)]
struct Server {
    lists: HashMap<&'static str, Vec<Value>>,
    watches: Arc<Mutex<HashMap<&'static str, mpsc::UnboundedSender<Value>>>>,
}

impl Server {
    fn answer(&self, request: &Request<Body>) -> Response<StreamBody<Frames>> {
        let kind = if request.uri().path().ends_with("/services") { "services" } else { "endpointslices" };
        let query = request.uri().query().unwrap_or_default();
        let frame = |value: &Value| Ok(http_body::Frame::data(format!("{value}\n").into()));
        let frames: Frames = if query.contains("watch=true") {
            let (sender, receiver) = mpsc::unbounded_channel();
            self.watches.lock().unwrap().insert(kind, sender);
            let events = stream::unfold(receiver, |mut receiver| async {
                receiver.recv().await.map(|event| (event, receiver))
            });
            Box::pin(events.map(move |event| frame(&event)))
        } else {
            let items = &self.lists[kind];
            let list = json!({ "metadata": { "resourceVersion": "1" }, "items": items });
            Box::pin(stream::iter([frame(&list)]))
        };
        Response::new(StreamBody::new(frames))
    }

    /// Sends an event into a watch, once it is open.
    fn send(&self, kind: &str, event: &Value) {
        until("a watch", || {
            self.watches.lock().unwrap().get(kind).map(|watch| watch.send(event.clone()).unwrap())
        });
    }
}

fn until<T>(what: &str, mut try_it: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(value) = try_it() {
            return value;
        }
        assert!(Instant::now() < deadline, "no {what}");
        std::thread::yield_now();
    }
}

fn web(version: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": "web", "namespace": "default", "resourceVersion": version },
        "spec": { "clusterIP": "10.96.0.10", "clusterIPs": ["10.96.0.10"], "ports": [{ "port": 80 }] },
    })
}

fn slice(version: &str, host: u8) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": "web-1", "namespace": "default", "resourceVersion": version,
            "labels": { "kubernetes.io/service-name": "web" },
        },
        "addressType": "IPv4",
        "ports": [{ "name": "", "port": 8080, "protocol": "TCP" }],
        "endpoints": [{ "addresses": [format!("10.244.0.{host}")], "nodeName": "node" }],
    })
}

#[test]
fn rules_follow_the_api_server() {
    let cluster = Cluster::new("follow", 2);
    let server = Server {
        lists: HashMap::from([("services", vec![web("1")]), ("endpointslices", vec![slice("1", 1)])]),
        ..Server::default()
    };
    let shutdown = CancellationToken::new();
    std::thread::scope(|scope| {
        let (config, answering, stopping) = (cluster.config(), server.clone(), shutdown.clone());
        let node = &cluster.node;
        let running = scope.spawn(move || {
            // The runtime's threads are started from a thread inside the node, and inherit its namespace.
            node.run(move || {
                let runtime =
                    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
                runtime.unwrap().block_on(async move {
                    let service = tower::service_fn(move |request: Request<Body>| {
                        let response = answering.answer(&request);
                        async move { Ok::<_, Infallible>(response) }
                    });
                    let client = Client::new(service, "default");
                    kingpost_netproxy::run_with(config, client, stopping).await
                })
            })
        });
        let stop_anyway = shutdown.clone().drop_guard();
        let served_by = |expected: &str| {
            until(expected, || {
                let answer = cluster.node.get_within(ip(10), 80, Duration::from_millis(200)).ok()?;
                (answer.server == expected).then_some(())
            });
        };
        served_by("pod1");
        server.send("endpointslices", &json!({ "type": "MODIFIED", "object": slice("2", 2) }));
        served_by("pod2");
        server.send("services", &json!({ "type": "DELETED", "object": web("3") }));
        let gone = |set: &str| {
            until(set, || {
                let listed = cluster.node.exec(&["nft", "list", "set", "ip", "kingpost-services", set], "");
                (!listed.contains("elements")).then_some(())
            });
        };
        gone("services");
        gone("cluster-ips");
        // What packets under way may need is gone a little later.
        gone("hairpin");
        drop(stop_anyway);
        running.join().unwrap().unwrap();
    });
    // Rules stay when the proxy stops.
    assert!(cluster.node.exec(&["nft", "list", "tables"], "").contains("kingpost-services"));
}

//! A node with pods and a client outside, in network namespaces of one test. Gone when the test ends.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure here is a failed test"
)]
#![allow(dead_code, reason = "each test file uses a part")]

use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use kingpost_netproxy::{
    Config, Definition, EndpointState, PortDefinition, Protocol, Proxy, ServiceKey, Slice,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;

/// Address of the node towards the client outside.
pub(crate) const NODE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// Address of the client outside.
pub(crate) const OUTSIDE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// Port that servers in pods listen on.
pub(crate) const TARGET: u16 = 8080;
/// How long a client waits before it takes silence for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A network namespace.
pub(crate) struct Namespace(String);

impl Namespace {
    fn new(name: String) -> Self {
        command(&["ip", "netns", "add", &name], "");
        Self(name)
    }

    /// Runs code on a thread inside.
    pub(crate) fn run<T: Send>(&self, code: impl FnOnce() -> T + Send) -> T {
        let file = File::open(format!("/run/netns/{}", self.0)).unwrap();
        let outcome = std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
                    code()
                })
                .join()
        });
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Runs a command inside; gives its output.
    pub(crate) fn exec(&self, arguments: &[&str], input: &str) -> String {
        command(&[&["ip", "netns", "exec", &self.0], arguments].concat(), input)
    }

    /// Connects over TCP; gives the server's answer, or why there was none.
    pub(crate) fn get(&self, address: Ipv4Addr, port: u16) -> std::io::Result<Answer> {
        self.get_within(address, port, PATIENCE)
    }

    pub(crate) fn get_within(&self, to: Ipv4Addr, port: u16, patience: Duration) -> std::io::Result<Answer> {
        self.run(|| get(to, port, patience))
    }

    /// Connects so many times; gives how often each server answered.
    pub(crate) fn spread(&self, to: Ipv4Addr, port: u16, times: usize) -> Vec<(String, usize)> {
        let answers =
            self.run(|| (0..times).map(|_| get(to, port, PATIENCE).unwrap().server).collect::<Vec<_>>());
        let mut counts = std::collections::BTreeMap::new();
        for server in answers {
            *counts.entry(server).or_insert(0) += 1;
        }
        counts.into_iter().collect()
    }

    /// A UDP socket of this namespace, connected to a Service.
    pub(crate) fn udp(&self, to: Ipv4Addr, port: u16) -> UdpSocket {
        self.run(|| {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
            socket.connect((to, port)).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.0]).status();
    }
}

/// What a server in a pod says of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Name of the pod.
    pub(crate) server: String,
    /// Client's address as the pod saw it.
    pub(crate) client: IpAddr,
}

/// Connects from the calling thread's namespace.
pub(crate) fn get(to: Ipv4Addr, port: u16, patience: Duration) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&SocketAddrV4::new(to, port).into(), patience)?;
    stream.set_read_timeout(Some(patience))?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (server, client) = text.split_once(' ').ok_or(std::io::ErrorKind::UnexpectedEof)?;
    Ok(Answer { server: server.to_owned(), client: client.parse().unwrap() })
}

/// Sends a datagram; gives the name of the pod that answered.
pub(crate) fn ask(socket: &UdpSocket) -> std::io::Result<String> {
    socket.send(b"?")?;
    let mut buffer = [0; 64];
    let length = socket.recv(&mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

/// A pod on the node: a routed veth, as the pod network makes it, and servers on TCP and UDP.
pub(crate) struct Pod {
    pub(crate) namespace: Namespace,
    pub(crate) name: String,
    pub(crate) address: Ipv4Addr,
}

/// The node, its pods and the client outside.
pub(crate) struct Cluster {
    pub(crate) node: Namespace,
    pub(crate) outside: Namespace,
    pub(crate) pods: Vec<Pod>,
    pub(crate) state: TempDir,
}

impl Cluster {
    /// Makes a node with so many pods. It has no default route.
    pub(crate) fn new(name: &str, pods: u8) -> Self {
        let prefix = format!("kpnp-{}-{name}", std::process::id());
        let node = Namespace::new(format!("{prefix}-node"));
        let outside = Namespace::new(format!("{prefix}-out"));
        node.exec(
            &["ip", "-batch", "-"],
            &format!(
                "link set lo up\nlink add uplink type veth peer name eth0 netns {}\nlink set uplink up\naddr add {NODE}/24 dev uplink\n",
                outside.0
            ),
        );
        outside.exec(
            &["ip", "-batch", "-"],
            &format!("link set eth0 up\naddr add {OUTSIDE}/24 dev eth0\nroute add default via {NODE}\n"),
        );
        let pods = (1..=pods).map(|number| Pod::new(&prefix, &node, number)).collect();
        Self { node, outside, pods, state: TempDir::new().unwrap() }
    }

    pub(crate) fn config(&self) -> Config {
        Config {
            kubeconfig: "/nonexistent".into(),
            node_name: "node".into(),
            node_addresses: vec![NODE.into()],
            pod_cidr: "10.244.0.0/16".parse().unwrap(),
            service_cidr: "10.96.0.0/16".parse().unwrap(),
            node_port_range: Config::DEFAULT_NODE_PORTS,
            state_dir: self.state.path().to_owned(),
            table: Config::DEFAULT_TABLE.into(),
        }
    }

    /// Prepares the node and opens a proxy on it.
    pub(crate) fn proxy(&self) -> Proxy {
        let config = self.config();
        self.node.run(|| {
            kingpost_netproxy::prepare(&config).unwrap();
            Proxy::open(&config).unwrap()
        })
    }

    /// The ready endpoint of a pod.
    pub(crate) fn endpoint(&self, pod: usize) -> EndpointState {
        ready(self.pods[pod].address)
    }

    /// The ready endpoints of some pods.
    pub(crate) fn endpoints(&self, pods: impl IntoIterator<Item = usize>) -> Vec<EndpointState> {
        pods.into_iter().map(|pod| self.endpoint(pod)).collect()
    }
}

impl Pod {
    fn new(prefix: &str, node: &Namespace, number: u8) -> Self {
        let namespace = Namespace::new(format!("{prefix}-p{number}"));
        let address = Ipv4Addr::new(10, 244, 0, number);
        let (inner, outer) = (format!("02:00:00:00:01:{number:02x}"), format!("02:00:00:00:02:{number:02x}"));
        let device = format!("pod{number}");
        node.exec(
            &["ip", "-batch", "-"],
            &format!(
                "link add {device} address {outer} type veth peer name eth0 address {inner} netns {}\n\
                 link set {device} up\n\
                 route add {address}/32 dev {device} src {NODE}\n\
                 neigh add {address} lladdr {inner} dev {device} nud permanent\n",
                namespace.0
            ),
        );
        namespace.exec(
            &["ip", "-batch", "-"],
            &format!(
                "link set lo up\nlink set eth0 up\naddr add {address}/32 dev eth0\n\
                 neigh add 169.254.1.1 lladdr {outer} dev eth0 nud permanent\n\
                 route add 169.254.1.1 dev eth0 scope link\n\
                 route add default via 169.254.1.1 dev eth0\n"
            ),
        );
        let pod = Self { namespace, name: format!("pod{number}"), address };
        pod.serve();
        pod
    }

    /// Starts servers that say who they are; they end with the test's process.
    fn serve(&self) {
        let any = (Ipv4Addr::UNSPECIFIED, TARGET);
        let (tcp, udp) =
            self.namespace.run(|| (TcpListener::bind(any).unwrap(), UdpSocket::bind(any).unwrap()));
        let name = self.name.clone();
        std::thread::spawn(move || {
            for stream in tcp.incoming().flatten() {
                let client = stream.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
                let mut stream = stream;
                let _ = stream.write_all(format!("{name} {client}").as_bytes());
            }
        });
        let name = self.name.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 64];
            while let Ok((_, peer)) = udp.recv_from(&mut buffer) {
                let _ = udp.send_to(name.as_bytes(), SocketAddr::new(peer.ip(), peer.port()));
            }
        });
    }
}

/// A ready endpoint on the node.
pub(crate) fn ready(address: Ipv4Addr) -> EndpointState {
    EndpointState { address, ready: true, serving_terminating: false, local: true, maybe_local: true }
}

/// A Service `name` with TCP and UDP ports 80 and, unless zero, a node port for both.
pub(crate) fn service(last: u8, node_port: u16) -> Definition {
    let port = |protocol, name: &str| PortDefinition {
        name: name.into(),
        protocol,
        port: 80,
        node_port: (node_port > 0).then_some(node_port),
    };
    Definition {
        cluster_ips: vec![ip(last)],
        ports: vec![port(Protocol::Tcp, "tcp"), port(Protocol::Udp, "udp")],
        internal_local: false,
        external_local: false,
        affinity_seconds: None,
    }
}

/// A cluster IP.
pub(crate) fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 96, 0, last)
}

pub(crate) fn key(name: &str) -> ServiceKey {
    ServiceKey::new("default", name)
}

/// Sets the only slice of Service `name`.
pub(crate) fn set_endpoints(proxy: &mut Proxy, name: &str, endpoints: Vec<EndpointState>) {
    let ports = vec![("tcp".into(), Protocol::Tcp, TARGET), ("udp".into(), Protocol::Udp, TARGET)];
    proxy.catalog.set_slice("default", name, Some(Slice { service: name.into(), ports, endpoints }));
}

fn command(arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(arguments[0])
        .args(&arguments[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

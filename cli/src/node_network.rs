//! A network namespace of its own for a node, linked to the host by one veth pair.
//!
//! The node's daemons, its pods and its Services then live behind one address, and nothing that the node does (forwarding,
//! nf_tables rules, addresses, routes) touches the host. The host gets routes into it for the node, pod and Service
//! ranges, so that `kubectl` and `curl` work from the host's shell. The node gets **no default route** unless asked: a
//! packet to a Service address that no rule takes cannot leave the machine.
//!
//! The namespace is bound to `/run/netns/<name>`, where `ip netns` and `nsenter` find it (ip-netns(8)).

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use futures::TryStreamExt;
use ipnet::Ipv4Net;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use rtnetlink::{Handle, LinkUnspec, LinkVeth, RouteMessageBuilder};
use serde::{Deserialize, Serialize};

/// The name of the link inside the node's namespace.
const NODE_LINK: &str = "eth0";

/// What a node's network consists of; written down by `up` so that `down` can take it away.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NodeNetwork {
    /// Name of the namespace, a file name under `/run/netns`.
    pub(crate) name: String,
    /// The link on the host's side.
    pub(crate) host_link: String,
    /// The host's address on that link, and the prefix that both share.
    pub(crate) host_address: Ipv4Net,
    /// The node's address.
    pub(crate) node_address: Ipv4Addr,
    /// Ranges that the host routes to the node: pods and Services.
    pub(crate) routed: Vec<Ipv4Net>,
    /// Whether the node sends what it knows no route for to the host.
    pub(crate) default_route: bool,
}

impl NodeNetwork {
    /// Names the parts of a node's network. `link_range` needs room for two hosts: the first is the host, the second the node.
    pub(crate) fn new(name: &str, link_range: Ipv4Net, routed: Vec<Ipv4Net>) -> anyhow::Result<Self> {
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
            bail!("network namespace name {name:?} is not a file name");
        }
        let mut hosts = link_range.hosts();
        let (Some(host), Some(node)) = (hosts.next(), hosts.next()) else {
            bail!("the link range {link_range} has no room for two addresses");
        };
        // IFNAMSIZ is 16 with the terminating zero.
        let host_link: String = format!("kp-{name}").chars().take(15).collect();
        Ok(Self {
            name: name.to_owned(),
            host_link,
            host_address: Ipv4Net::new(host, link_range.prefix_len())?,
            node_address: node,
            routed,
            default_route: false,
        })
    }

    /// The file that the namespace is bound to.
    pub(crate) fn path(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.name)
    }

    /// Whether the namespace is there.
    pub(crate) fn exists(&self) -> bool {
        // A file that is not a mount point is what a failed start left.
        nix::sys::statfs::statfs(&self.path())
            .is_ok_and(|found| found.filesystem_type() == nix::sys::statfs::NSFS_MAGIC)
    }

    /// Makes the namespace, the link, the addresses and the routes. What a failed attempt left is removed first.
    pub(crate) async fn create(&self) -> anyhow::Result<()> {
        self.remove().await?;
        let namespace = self.bind_namespace().context("make the node's network namespace")?;
        let host = netlink()?;
        self.link_to_host(&host, &namespace).await?;

        let network = self.clone();
        within(&self.path(), move || runtime()?.block_on(network.configure_node()))?;

        let index = link_index(&host, &self.host_link).await?;
        add_address(&host, index, self.host_address).await.context("give the host its address")?;
        host.link().set(LinkUnspec::new_with_index(index).up().build()).execute().await?;
        for range in &self.routed {
            let route = RouteMessageBuilder::<Ipv4Addr>::new()
                .destination_prefix(range.addr(), range.prefix_len())
                .gateway(self.node_address)
                .build();
            host.route()
                .add(route)
                .execute()
                .await
                .with_context(|| format!("route {range} to the node (is the range in use on this host?)"))?;
        }
        Ok(())
    }

    /// Takes all of it away; what is not there is no error. Routes and addresses go with the link, the link with its peer.
    pub(crate) async fn remove(&self) -> anyhow::Result<()> {
        let host = netlink()?;
        if let Ok(index) = link_index(&host, &self.host_link).await {
            host.link().del(index).execute().await.with_context(|| format!("delete link {}", self.host_link))?;
        }
        let path = self.path();
        if path.exists() {
            // EINVAL: not a mount point.
            match umount2(&path, MntFlags::MNT_DETACH) {
                Ok(()) | Err(nix::errno::Errno::EINVAL) => {}
                Err(error) => return Err(error).with_context(|| format!("unmount {}", path.display())),
            }
            fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
        }
        Ok(())
    }

    fn bind_namespace(&self) -> anyhow::Result<File> {
        let path = self.path();
        fs::create_dir_all("/run/netns")?;
        File::create_new(&path).with_context(|| format!("create {}", path.display()))?;
        let target = path.clone();
        on_thread(move || {
            unshare(CloneFlags::CLONE_NEWNET).context("unshare the network namespace")?;
            mount(Some("/proc/thread-self/ns/net"), &target, None::<&str>, MsFlags::MS_BIND, None::<&str>)
                .with_context(|| format!("bind the namespace to {}", target.display()))
        })?;
        Ok(File::open(path)?)
    }

    async fn link_to_host(&self, host: &Handle, namespace: &File) -> anyhow::Result<()> {
        // A name that nothing else has on the way: it becomes NODE_LINK in the namespace.
        let peer = format!("kpn{}", std::process::id());
        host.link()
            .add(LinkVeth::new(&self.host_link, &peer).build())
            .execute()
            .await
            .with_context(|| format!("add link {}", self.host_link))?;
        let index = link_index(host, &peer).await?;
        let moved = LinkUnspec::new_with_index(index).name(NODE_LINK).setns_by_fd(namespace.as_raw_fd()).build();
        host.link().set(moved).execute().await.context("move the link into the node's namespace")?;
        Ok(())
    }

    async fn configure_node(&self) -> anyhow::Result<()> {
        let node = netlink()?;
        let loopback = link_index(&node, "lo").await?;
        node.link().set(LinkUnspec::new_with_index(loopback).up().build()).execute().await?;
        let index = link_index(&node, NODE_LINK).await?;
        let address = Ipv4Net::new(self.node_address, self.host_address.prefix_len())?;
        add_address(&node, index, address).await.context("give the node its address")?;
        node.link().set(LinkUnspec::new_with_index(index).up().build()).execute().await?;
        if self.default_route {
            let route = RouteMessageBuilder::<Ipv4Addr>::new().gateway(self.host_address.addr()).build();
            node.route().add(route).execute().await.context("add the node's default route")?;
        }
        Ok(())
    }
}

/// Runs `work` on a thread of its own inside the network namespace at `path`, and waits for it.
///
/// A process started by `work` begins its life in that namespace.
pub(crate) fn within<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let namespace = File::open(path).with_context(|| format!("open network namespace {}", path.display()))?;
    on_thread(move || {
        setns(namespace, CloneFlags::CLONE_NEWNET).context("enter the node's network namespace")?;
        work()
    })
}

/// Namespaces belong to threads: what changes them runs on one that ends afterwards.
fn on_thread<T: Send + 'static>(work: impl FnOnce() -> anyhow::Result<T> + Send + 'static) -> anyhow::Result<T> {
    std::thread::spawn(work).join().unwrap_or_else(|_| bail!("the namespace thread panicked"))
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

fn netlink() -> anyhow::Result<Handle> {
    let (connection, handle, _) = rtnetlink::new_connection().context("open a netlink socket")?;
    tokio::spawn(connection);
    Ok(handle)
}

async fn link_index(handle: &Handle, name: &str) -> anyhow::Result<u32> {
    let mut links = handle.link().get().match_name(name.to_owned()).execute();
    let link = links.try_next().await.with_context(|| format!("look up link {name}"))?;
    Ok(link.with_context(|| format!("there is no link {name}"))?.header.index)
}

async fn add_address(handle: &Handle, index: u32, address: Ipv4Net) -> anyhow::Result<()> {
    handle.address().add(index, address.addr().into(), address.prefix_len()).execute().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_range_gives_the_host_the_first_address_and_the_node_the_second() {
        let network = NodeNetwork::new("kp", "198.19.0.0/30".parse().unwrap(), vec![]).unwrap();
        assert_eq!(network.host_address.to_string(), "198.19.0.1/30");
        assert_eq!(network.node_address.to_string(), "198.19.0.2");
        assert!(NodeNetwork::new("kp", "198.19.0.0/32".parse().unwrap(), vec![]).is_err());
    }

    #[test]
    fn a_namespace_name_cannot_leave_its_directory() {
        for name in ["", "..", "a/b", "."] {
            assert!(NodeNetwork::new(name, "198.19.0.0/30".parse().unwrap(), vec![]).is_err(), "{name:?}");
        }
    }

    #[tokio::test]
    async fn a_node_network_comes_up_routes_and_goes_without_a_trace() {
        let pid = std::process::id();
        let name = format!("t{pid}");
        let octet = u8::try_from(pid % 200).unwrap();
        let range: Ipv4Net = format!("198.19.{octet}.0/30").parse().unwrap();
        let pods: Ipv4Net = format!("198.18.{octet}.0/24").parse().unwrap();
        let network = NodeNetwork::new(&name, range, vec![pods]).unwrap();
        network.create().await.unwrap();
        assert!(network.exists());

        let node = network.node_address;
        let server = within(&network.path(), move || Ok(std::net::TcpListener::bind((node, 8080))?)).unwrap();
        let accepted = std::thread::spawn(move || server.accept().unwrap().1);
        std::net::TcpStream::connect((network.node_address, 8080)).unwrap();
        assert_eq!(accepted.join().unwrap().ip(), network.host_address.addr());

        network.remove().await.unwrap();
        assert!(!network.path().exists());
        assert!(link_index(&netlink().unwrap(), &network.host_link).await.is_err());
        network.remove().await.unwrap();
    }
}

//! What the node itself needs for Services to work, and putting it back.
//!
//! What is changed is written down first, so that a crash in between loses no old value.

use std::fs;
use std::io::{ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use kingpost_nftables::{Batch, Nftables, Route, Routes};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::{Error, during};

/// Packets between pods and out of them are forwarded by the node.
const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

/// What `uninstall` puts back.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    /// Value of `net.ipv4.ip_forward` before it was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ip_forward: Option<String>,
    /// The route to the Service range that was added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    route: Option<RouteRecord>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct RouteRecord {
    destination: IpNet,
    interface: u32,
    source: Option<IpAddr>,
}

/// Switches forwarding on and adds a route to the Service range where the node has none.
///
/// # Errors
/// When the record cannot be written or the kernel refuses.
pub fn prepare(config: &Config) -> Result<(), Error> {
    let mut record = read_record(config)?.unwrap_or_default();
    let forwarding = read(Path::new(FORWARDING))?;
    if forwarding.trim() != "1" {
        // A value recorded earlier is the original one; what is there now may be the trace of a reboot.
        record.ip_forward.get_or_insert_with(|| forwarding.trim().to_owned());
        write_record(config, &record)?;
        write(Path::new(FORWARDING), "1")?;
        tracing::info!(old = forwarding.trim(), "switched net.ipv4.ip_forward on");
    }
    add_route(config, &mut record)
}

/// Deletes the table and puts back what [`prepare`] changed. Doing it twice is no error.
///
/// # Errors
/// When the kernel refuses or the record cannot be read; what was not put back stays recorded.
pub fn uninstall(config: &Config) -> Result<(), Error> {
    let mut batch = Batch::new();
    batch.table(&config.table()).delete();
    let mut nft = Nftables::open().map_err(during("connect to nf_tables"))?;
    nft.commit(&batch).map_err(during("delete the table of Services"))?;
    let Some(record) = read_record(config)? else { return Ok(()) };
    if let Some(route) = record.route {
        let mut routes = Routes::open().map_err(during("connect to routing"))?;
        routes.delete(&route.into()).map_err(during("delete the route to Services"))?;
    }
    if let Some(old) = &record.ip_forward {
        write(Path::new(FORWARDING), old)?;
    }
    let path = record_path(config);
    match fs::remove_file(&path) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            Err(Error::File { operation: "remove", path, source })
        }
        _ => Ok(()),
    }
}

/// A process of the node looks the route to a cluster IP up before its packet is translated: without any, it fails there.
fn add_route(config: &Config, record: &mut Record) -> Result<(), Error> {
    let mut routes = Routes::open().map_err(during("connect to routing"))?;
    let service = config.service_cidr;
    if routes.reaches(service.network()).map_err(during("look for a route to Services"))? {
        return Ok(());
    }
    let addresses = routes.addresses().map_err(during("list the node's addresses"))?;
    let Some((interface, source)) = choose_source(config, &addresses) else {
        tracing::warn!(%service, "the node has neither a route to Services nor an address to send to them from");
        return Ok(());
    };
    // On the interface of the node's address, not on loopback: the connection takes its segment size from this route.
    let route = RouteRecord { destination: service, interface, source: Some(source) };
    record.route = Some(route);
    write_record(config, record)?;
    routes.add(&route.into()).map_err(during("add a route to Services"))?;
    tracing::info!(%service, interface, %source, "added a route to Services");
    Ok(())
}

/// The node's address, or else its first one that others can answer to.
fn choose_source(config: &Config, addresses: &[(u32, IpAddr)]) -> Option<(u32, IpAddr)> {
    let same_family = |address: &IpAddr| address.is_ipv4() == config.service_cidr.addr().is_ipv4();
    let named = config.node_addresses.iter().find_map(|node| addresses.iter().find(|(_, ip)| ip == node));
    let global = |ip: &IpAddr| match ip {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local() && *v4 != Ipv4Addr::UNSPECIFIED,
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
    };
    let any = || addresses.iter().find(|(_, ip)| global(ip) && same_family(ip));
    named.filter(|(_, ip)| same_family(ip)).or_else(any).copied()
}

impl From<RouteRecord> for Route {
    fn from(record: RouteRecord) -> Self {
        Self { destination: record.destination, interface: record.interface, source: record.source }
    }
}

fn record_path(config: &Config) -> PathBuf {
    config.state_dir.join(format!("{}.json", config.table))
}

fn read_record(config: &Config) -> Result<Option<Record>, Error> {
    let path = record_path(config);
    match fs::read(&path) {
        Err(source) if source.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::File { operation: "read", path, source }),
        Ok(bytes) => {
            serde_json::from_slice(&bytes).map(Some).map_err(|source| Error::Record { path, source })
        }
    }
}

/// Durable before it returns: written beside, synced, renamed.
fn write_record(config: &Config, record: &Record) -> Result<(), Error> {
    let path = record_path(config);
    let bytes = serde_json::to_vec(record).map_err(|source| Error::Record { path: path.clone(), source })?;
    let failed = |operation| {
        let path = path.clone();
        move |source| Error::File { operation, path, source }
    };
    fs::create_dir_all(&config.state_dir).map_err(failed("create the directory of"))?;
    let temporary = path.with_extension("json.new");
    let mut file = fs::File::create(&temporary).map_err(failed("create"))?;
    file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(failed("write"))?;
    fs::rename(&temporary, &path).map_err(failed("rename into"))?;
    fs::File::open(&config.state_dir).and_then(|dir| dir.sync_all()).map_err(failed("sync the directory of"))
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::File { operation: "read", path: path.into(), source })
}

fn write(path: &Path, value: &str) -> Result<(), Error> {
    fs::write(path, value).map_err(|source| Error::File { operation: "write", path: path.into(), source })
}

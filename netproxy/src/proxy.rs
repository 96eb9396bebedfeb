//! The rules of one node, kept equal to the catalog of Services.

use kingpost_nftables::{Batch, Conntrack, Nftables, Routes};

use crate::config::Config;
use crate::error::{Error, during};
use crate::flows;
use crate::frontend::{Frontend, Protocol};
use crate::rules::{Installed, Layout, adopt};
use crate::service::{Catalog, Changes};

/// What a synchronisation did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Synced {
    /// Frontends that changed.
    pub frontends: usize,
    /// Elements added and deleted.
    pub elements: usize,
    /// Whether the whole table was written anew.
    pub rebuilt: bool,
    /// UDP flows that were forgotten because their endpoint is gone.
    pub flows: usize,
}

/// Catalog, kernel state and the connections to the kernel. Its calls block: keep it off asynchronous workers.
#[derive(Debug)]
pub struct Proxy {
    /// Services and slices; changes take effect with the next [`Proxy::sync`].
    pub catalog: Catalog,
    layout: Layout,
    /// None before the first transaction, and after one that failed.
    installed: Option<Installed>,
    nft: Nftables,
    conntrack: Conntrack,
    routes: Routes,
}

impl Proxy {
    /// Connects to the kernel, in the calling thread's network namespace; changes nothing yet.
    ///
    /// # Errors
    /// When a netlink socket cannot be opened.
    pub fn open(config: &Config) -> Result<Self, Error> {
        Ok(Self {
            catalog: Catalog::new(),
            layout: Layout::new(config),
            installed: None,
            nft: Nftables::open().map_err(during("connect to nf_tables"))?,
            conntrack: Conntrack::open().map_err(during("connect to conntrack"))?,
            routes: Routes::open().map_err(during("connect to routing"))?,
        })
    }

    /// Brings the kernel up to the catalog, in one transaction.
    ///
    /// The first call takes over what an earlier process left, which goes on serving until then. Where the kernel is not as it
    /// should be (someone else changed the table), the table is written anew, in one transaction as well.
    ///
    /// # Errors
    /// When even that is refused; the old rules are still in force then, and the next call tries again.
    pub fn sync(&mut self) -> Result<Synced, Error> {
        let changes = self.catalog.take_changes();
        match self.installed.take() {
            Some(installed) => {
                if changes.is_empty() {
                    self.installed = Some(installed);
                    return Ok(Synced::default());
                }
                let mut synced = match self.apply(installed, &changes) {
                    Ok(synced) => synced,
                    Err(error) => {
                        tracing::warn!(%error, "the table is not as it was left, writing it anew");
                        self.rebuild()?
                    }
                };
                synced.flows = self.forget_flows(&changes);
                Ok(synced)
            }
            None => {
                let mut synced = self.take_over()?;
                let everything = self.catalog.everything();
                synced.flows = self.forget_flows(&everything);
                Ok(synced)
            }
        }
    }

    /// Whether [`Proxy::settle`] has something to do.
    #[must_use]
    pub fn is_unsettled(&self) -> bool {
        self.installed.as_ref().is_some_and(Installed::is_unsettled)
    }

    /// Removes what packets needed that were under way during the last [`Proxy::sync`]. Call it some time later.
    ///
    /// # Errors
    /// When the kernel refuses; the next [`Proxy::sync`] reads what is installed and starts from there.
    pub fn settle(&mut self) -> Result<(), Error> {
        if let Some(mut installed) = self.installed.take() {
            let mut batch = Batch::new();
            installed.settle(&self.layout, &mut batch);
            self.nft.commit(&batch).map_err(during("remove endpoints that have left"))?;
            self.installed = Some(installed);
        }
        Ok(())
    }

    fn take_over(&mut self) -> Result<Synced, Error> {
        let adopted = adopt(&mut self.nft, &self.layout).map_err(during("read the installed rules"))?;
        if let Some(installed) = adopted {
            let changes = installed.difference(self.catalog.everything());
            match self.apply(installed, &changes) {
                Ok(synced) => return Ok(synced),
                Err(error) => {
                    tracing::warn!(%error, "cannot take over the installed rules, writing them anew")
                }
            }
        }
        self.rebuild()
    }

    fn apply(&mut self, mut installed: Installed, changes: &Changes) -> Result<Synced, Error> {
        let mut batch = Batch::new();
        installed.plan(&self.layout, changes, &mut batch);
        self.nft.commit(&batch).map_err(during("change Services"))?;
        self.installed = Some(installed);
        let frontends = changes.frontends.len();
        Ok(Synced { frontends, elements: batch.element_count(), ..Synced::default() })
    }

    fn rebuild(&mut self) -> Result<Synced, Error> {
        let mut batch = Batch::new();
        self.layout.replace(&mut batch);
        let everything = self.catalog.everything();
        let mut installed = Installed::empty();
        installed.plan(&self.layout, &everything, &mut batch);
        self.nft.commit(&batch).map_err(during("write all Services"))?;
        self.installed = Some(installed);
        let frontends = everything.frontends.len();
        Ok(Synced { frontends, elements: batch.element_count(), rebuilt: true, ..Synced::default() })
    }

    /// A failure here is not worth stopping for: flows that stay end by their own timeout.
    fn forget_flows(&mut self, changes: &Changes) -> usize {
        let udp: Vec<Frontend> = changes
            .frontends
            .iter()
            .map(|(frontend, _)| *frontend)
            .filter(|frontend| frontend.protocol() == Protocol::Udp)
            .collect();
        if udp.is_empty() {
            return 0;
        }
        let forgotten = flows::forget(&mut self.conntrack, &mut self.routes, &udp, &self.catalog);
        forgotten.unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot forget UDP flows of endpoints that are gone");
            0
        })
    }
}

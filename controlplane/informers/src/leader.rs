//! Leader election by a Lease, as client-go's `leaderelection` does it, so that stock components and ours exclude each other.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How long a lease holds without renewal, how long a holder tries to renew it, and how often everyone tries.
const LEASE_DURATION: Duration = Duration::from_secs(15);
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
const RETRY_PERIOD: Duration = Duration::from_secs(2);

/// Who competes for which lease.
#[derive(Clone, Debug)]
pub struct LeaderConfig {
    /// Namespace of the lease, `kube-system` for the control plane.
    pub namespace: String,
    /// Name of the lease, `kube-controller-manager` and the like.
    pub name: String,
    /// What distinguishes this process from its rivals.
    pub identity: String,
}

/// Runs `work` while this process holds the lease, until `shutdown`. `work` gets a token that is cancelled when the
/// lease is lost; then it is waited for, and the election begins anew.
pub async fn lead<F, W>(client: Client, config: LeaderConfig, shutdown: CancellationToken, work: F)
where
    F: Fn(CancellationToken) -> W,
    W: Future<Output = ()>,
{
    let mut election =
        Election { api: Api::namespaced(client, &config.namespace), config, observed: None, transitions: 0 };
    while !shutdown.is_cancelled() {
        if !election.acquire(&shutdown).await {
            return;
        }
        info!(lease = election.config.name, identity = election.config.identity, "leading");
        let term = shutdown.child_token();
        let working = work(term.clone());
        tokio::pin!(working);
        tokio::select! {
            () = election.keep(&term) => {
                warn!(lease = election.config.name, "lost the lease");
                term.cancel();
                working.await;
            }
            () = &mut working => {}
        }
        if shutdown.is_cancelled() {
            election.release().await;
        }
    }
}

struct Election {
    api: Api<Lease>,
    config: LeaderConfig,
    /// The holder's last renewal as seen, and when it was seen: clocks of different machines are never compared.
    observed: Option<(LeaseSpec, Instant)>,
    transitions: i32,
}

impl Election {
    /// Tries until it holds the lease; false on shutdown.
    async fn acquire(&mut self, shutdown: &CancellationToken) -> bool {
        loop {
            match self.try_hold().await {
                Ok(true) => return true,
                Ok(false) => {}
                Err(error) => warn!(lease = self.config.name, %error, "cannot try for the lease"),
            }
            tokio::select! {
                () = shutdown.cancelled() => return false,
                // The protocol is made of retries at this period (client-go RetryPeriod).
                () = tokio::time::sleep(RETRY_PERIOD) => {}
            }
        }
    }

    /// Renews until that fails for too long, or somebody else holds the lease, or the term ends.
    async fn keep(&mut self, term: &CancellationToken) {
        let mut renewed = Instant::now();
        loop {
            tokio::select! {
                () = term.cancelled() => return std::future::pending().await,
                () = tokio::time::sleep(RETRY_PERIOD) => {}
            }
            match tokio::time::timeout(RENEW_DEADLINE, self.try_hold()).await {
                Ok(Ok(true)) => renewed = Instant::now(),
                Ok(Ok(false)) => return,
                Ok(Err(_)) | Err(_) if renewed.elapsed() >= RENEW_DEADLINE => return,
                Ok(Err(error)) => warn!(lease = self.config.name, %error, "cannot renew the lease"),
                Err(_) => return,
            }
        }
    }

    /// One attempt to take or renew the lease.
    async fn try_hold(&mut self) -> Result<bool, kube::Error> {
        let Some(mut lease) = self.api.get_opt(&self.config.name).await? else {
            let metadata = ObjectMeta { name: Some(self.config.name.clone()), ..ObjectMeta::default() };
            let lease = Lease { metadata, spec: Some(self.claim(None)) };
            return taken(self.api.create(&PostParams::default(), &lease).await);
        };
        let spec = lease.spec.clone().unwrap_or_default();
        if self.observed.as_ref().is_none_or(|(known, _)| *known != spec) {
            self.observed = Some((spec.clone(), Instant::now()));
        }
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        if !holder.is_empty() && holder != self.config.identity && !self.expired(&spec) {
            return Ok(false);
        }
        lease.spec = Some(self.claim(Some(&spec)));
        taken(self.api.replace(&self.config.name, &PostParams::default(), &lease).await)
    }

    fn expired(&self, spec: &LeaseSpec) -> bool {
        let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let duration = seconds.map_or(LEASE_DURATION, Duration::from_secs);
        self.observed.as_ref().is_some_and(|(_, seen)| seen.elapsed() > duration)
    }

    fn claim(&mut self, held: Option<&LeaseSpec>) -> LeaseSpec {
        let now = Timestamp::now();
        let ours = held.filter(|spec| spec.holder_identity.as_ref() == Some(&self.config.identity));
        self.transitions = held.and_then(|spec| spec.lease_transitions).unwrap_or(0)
            + i32::from(held.is_some() && ours.is_none());
        LeaseSpec {
            holder_identity: Some(self.config.identity.clone()),
            lease_duration_seconds: i32::try_from(LEASE_DURATION.as_secs()).ok(),
            acquire_time: ours.and_then(|spec| spec.acquire_time.clone()).or(Some(MicroTime(now))),
            renew_time: Some(MicroTime(now)),
            lease_transitions: Some(self.transitions),
            ..LeaseSpec::default()
        }
    }

    /// Gives the lease up, so that the next one need not wait for it to expire.
    async fn release(&mut self) {
        let Ok(Some(mut lease)) = self.api.get_opt(&self.config.name).await else { return };
        if let Some(spec) = &mut lease.spec
            && spec.holder_identity.as_ref() == Some(&self.config.identity)
        {
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
            if let Err(error) = self.api.replace(&self.config.name, &PostParams::default(), &lease).await {
                warn!(lease = self.config.name, %error, "cannot give the lease up");
            }
        }
    }
}

/// A conflict means that somebody else was faster, which is an answer and not a failure.
fn taken(written: Result<Lease, kube::Error>) -> Result<bool, kube::Error> {
    match written {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

//! Who the first process runs as: from the request, else from the image, with the names of the image's files.

use std::collections::BTreeSet;

use kingpost_proto::cri::{LinuxContainerSecurityContext, LinuxContainerUser, SupplementalGroupsPolicy};
use oci_spec::runtime::User;

use super::{Inputs, RootfsFiles, SpecError};

/// Largest id that Kubernetes allows, and that no signed type overflows (CVE-2024-40635).
const MAX_ID: u32 = i32::MAX.cast_unsigned();
const FIELD: &str = "linux.security_context";

/// The ids of a process.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identity {
    uid: u32,
    gid: u32,
    /// With the primary group (CVE-2022-2995), sorted.
    groups: Vec<u32>,
    home: String,
}

impl Identity {
    pub(super) fn to_oci(&self) -> User {
        let mut user = User::default();
        user.set_uid(self.uid).set_gid(self.gid).set_additional_gids(Some(self.groups.clone()));
        user
    }

    /// The home directory of `/etc/passwd`, else `/`.
    pub(super) fn home(&self) -> &str {
        if self.home.is_empty() { "/" } else { &self.home }
    }

    pub(super) fn status(&self) -> LinuxContainerUser {
        LinuxContainerUser {
            uid: self.uid.into(),
            gid: self.gid.into(),
            supplemental_groups: self.groups.iter().map(|group| i64::from(*group)).collect(),
        }
    }
}

/// One line of `/etc/passwd`.
struct Account<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

/// Resolves user and groups.
pub(super) fn resolve(
    inputs: &Inputs<'_>,
    security: &LinuxContainerSecurityContext,
) -> Result<Identity, SpecError> {
    let request = Requested::new(inputs, security)?;
    let passwd = inputs.rootfs.read("etc/passwd")?.unwrap_or_default();
    let account = find_account(&passwd, &request.user);
    let (uid, primary) = match (&account, parse_id(&request.user)) {
        (_, Some(Err(()))) => return Err(request.fail(format!("user id {:?} out of range", request.user))),
        (Some(account), _) => (account.uid, account.gid),
        (None, Some(Ok(uid))) => (uid, 0),
        (None, None) => return Err(request.fail(format!("no user {:?} in /etc/passwd", request.user))),
    };
    let gid = match &request.group {
        Some(group) => resolve_group(inputs.rootfs, &request, group)?,
        None => primary,
    };
    let mut groups = BTreeSet::from([gid]);
    if security.supplemental_groups_policy() == SupplementalGroupsPolicy::Merge
        && let Some(account) = &account
    {
        let file = inputs.rootfs.read("etc/group")?.unwrap_or_default();
        groups.extend(memberships(&file, account.name));
    }
    for (index, group) in security.supplemental_groups.iter().enumerate() {
        let id = u32::try_from(*group).ok().filter(|id| *id <= MAX_ID).ok_or_else(|| {
            SpecError::field(format!("{FIELD}.supplemental_groups[{index}]"), format!("{group} out of range"))
        })?;
        groups.insert(id);
    }
    let home = account.map(|account| account.home.to_owned()).unwrap_or_default();
    if home.contains(['\n', '\0']) {
        return Err(SpecError::image("/etc/passwd", "home directory with NUL"));
    }
    Ok(Identity { uid, gid, groups: groups.into_iter().collect(), home })
}

/// What was asked for, by whom.
struct Requested {
    user: String,
    group: Option<String>,
    from_image: bool,
}

impl Requested {
    fn new(inputs: &Inputs<'_>, security: &LinuxContainerSecurityContext) -> Result<Self, SpecError> {
        let group = security.run_as_group.as_ref().map(|group| group.value.to_string());
        let user = match (&security.run_as_user, security.run_as_username.as_str()) {
            (Some(_), name) if !name.is_empty() => {
                return Err(SpecError::field(format!("{FIELD}.run_as_username"), "excludes run_as_user"));
            }
            (Some(user), _) => Some(user.value.to_string()),
            (None, "") => None,
            (None, name) => Some(name.to_owned()),
        };
        if let Some(user) = user {
            return Ok(Self { user, group, from_image: false });
        }
        if group.is_some() {
            return Err(SpecError::field(format!("{FIELD}.run_as_group"), "needs a user"));
        }
        let image =
            inputs.image.config().as_ref().and_then(|config| config.user().as_deref()).unwrap_or_default();
        let (user, group) = image.split_once(':').map_or((image, None), |(user, group)| (user, Some(group)));
        let user = if user.is_empty() { "0" } else { user };
        let group = group.filter(|group| !group.is_empty()).map(str::to_owned);
        Ok(Self { user: user.to_owned(), group, from_image: true })
    }

    fn fail(&self, reason: String) -> SpecError {
        if self.from_image {
            SpecError::image("User", reason)
        } else {
            SpecError::field(format!("{FIELD}.run_as_user"), reason)
        }
    }
}

/// `None` for a name, an error for a number out of range.
fn parse_id(text: &str) -> Option<Result<u32, ()>> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse::<u32>().ok().filter(|id| *id <= MAX_ID).ok_or(()))
}

fn find_account<'a>(passwd: &'a str, user: &str) -> Option<Account<'a>> {
    let uid = parse_id(user);
    passwd.lines().filter_map(parse_account).find(|account| match uid {
        Some(Ok(uid)) => account.uid == uid,
        Some(Err(())) => false,
        None => account.name == user,
    })
}

fn parse_account(line: &str) -> Option<Account<'_>> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let uid = fields.nth(1)?.parse().ok().filter(|id| *id <= MAX_ID)?;
    let gid = fields.next()?.parse().ok().filter(|id| *id <= MAX_ID)?;
    let home = fields.nth(1).unwrap_or_default();
    Some(Account { name, uid, gid, home })
}

fn resolve_group(rootfs: &dyn RootfsFiles, request: &Requested, group: &str) -> Result<u32, SpecError> {
    match parse_id(group) {
        Some(Ok(gid)) => return Ok(gid),
        Some(Err(())) => return Err(request.fail(format!("group id {group:?} out of range"))),
        None => {}
    }
    let file = rootfs.read("etc/group")?.unwrap_or_default();
    let found = file.lines().filter_map(parse_group).find(|(name, _, _)| *name == group);
    found.map(|(_, gid, _)| gid).ok_or_else(|| request.fail(format!("no group {group:?} in /etc/group")))
}

fn parse_group(line: &str) -> Option<(&str, u32, &str)> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let gid = fields.nth(1)?.parse().ok().filter(|id| *id <= MAX_ID)?;
    Some((name, gid, fields.next().unwrap_or_default()))
}

fn memberships<'a>(file: &'a str, user: &'a str) -> impl Iterator<Item = u32> + 'a {
    file.lines()
        .filter_map(parse_group)
        .filter(move |(_, _, members)| members.split(',').any(|member| member.trim() == user))
        .map(|(_, gid, _)| gid)
}

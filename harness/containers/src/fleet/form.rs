//! What a container is made of, as the engine holds it.

use bollard::models::{ChangeType, ContainerInspectResponse, MountPoint};
use exai_harness::engine::form::{environment_sha256, tmpfs};
use exai_harness::engine::wire::Answer;
use exai_judge::observation::{Change, Form, Mount, PathChanged};

use super::Fleet;
use crate::trouble::Trouble;

/// Paths that are told of one container.
const MOST_CHANGES: usize = 100;

impl Fleet {
    pub(super) async fn form(&self, name: &str) -> Result<Answer, Trouble> {
        let known = self.known(name)?;
        let docker = &self.engine.docker;
        let seen = docker.inspect_container(&known.id, None).await;
        let seen = seen.map_err(|error| Trouble::engine("look at", name, &error))?;
        let changes = docker.container_changes(&known.id).await;
        let changes = changes.map_err(|error| Trouble::engine("compare", name, &error))?;
        let changes = changes.unwrap_or_default();
        let more_changes = changes.len().saturating_sub(MOST_CHANGES);
        Ok(Answer::Form {
            held: held(seen),
            more_changes: u64::try_from(more_changes).unwrap_or(u64::MAX),
            changes: changes
                .into_iter()
                .take(MOST_CHANGES)
                .map(|one| PathChanged {
                    path: one.path,
                    how: match one.kind {
                        ChangeType::_0 => Change::Modified,
                        ChangeType::_1 => Change::Added,
                        ChangeType::_2 => Change::Deleted,
                    },
                })
                .collect(),
        })
    }
}

fn held(seen: ContainerInspectResponse) -> Form {
    let config = seen.config.unwrap_or_default();
    let memory = seen.host_config.and_then(|host| host.tmpfs);
    let memory = memory.unwrap_or_default().into_keys();
    let mounts = seen.mounts.unwrap_or_default().into_iter().map(mount);
    let mounts = mounts.chain(memory.map(|to| tmpfs(&to)));
    let mounts: std::collections::BTreeSet<Mount> = mounts.collect();
    Form {
        image: seen.image.unwrap_or_default(),
        command: seen
            .path
            .into_iter()
            .chain(seen.args.unwrap_or_default())
            .collect(),
        environment_sha256: environment_sha256(&config.env.unwrap_or_default()),
        cwd: config.working_dir.unwrap_or_default(),
        mounts: mounts.into_iter().collect(),
    }
}

fn mount(point: MountPoint) -> Mount {
    Mount {
        to: point.destination.unwrap_or_default(),
        kind: point.typ.map(|kind| kind.to_string()).unwrap_or_default(),
        from: point.source.unwrap_or_default(),
        is_writable: point.rw.unwrap_or(true),
    }
}

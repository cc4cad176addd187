//! Removes what owners that are gone have left: a SIGKILL leaves no time to clean up.

use std::collections::HashMap;

use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListImagesOptionsBuilder, ListNetworksOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveImageOptions,
};

use crate::engine::Engine;
use crate::label::{OWNER, Owner};
use crate::trouble::Trouble;

/// Whose leavings go.
pub(crate) enum Whose<'a> {
    /// Those of owners that are certainly dead.
    Dead,
    /// Those of this one.
    Own(&'a Owner),
}

impl Whose<'_> {
    fn covers(&self, labels: Option<&HashMap<String, String>>, is_local: bool) -> bool {
        let Some(owner) = labels.and_then(Owner::of) else {
            return false;
        };
        match self {
            Self::Dead => owner.is_dead(is_local),
            Self::Own(own) => owner == **own,
        }
    }
}

/// Removes containers with their unnamed volumes, then networks, then images; gives how many
/// containers went. Networks and images somebody still uses stay.
///
/// # Errors
/// When the engine cannot list or remove containers.
pub(crate) async fn sweep(engine: &Engine, whose: Whose<'_>) -> Result<u64, Trouble> {
    let docker = &engine.docker;
    let is_local = engine.facts.is_local;
    let ours = HashMap::from([("label", vec![OWNER])]);
    let listing = ListContainersOptionsBuilder::new().all(true).filters(&ours);
    let found = docker.list_containers(Some(listing.build())).await;
    let found = found.map_err(|error| Trouble::engine("list", "containers", &error))?;
    let mut removed = 0;
    for container in found {
        let Some(id) = container
            .id
            .filter(|_| whose.covers(container.labels.as_ref(), is_local))
        else {
            continue;
        };
        let force = RemoveContainerOptionsBuilder::new().force(true).v(true);
        match docker.remove_container(&id, Some(force.build())).await {
            Ok(()) => removed += 1,
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(Trouble::engine("remove container", &id, &error)),
        }
    }
    networks(engine, &whose, &ours).await;
    images(engine, &whose, &ours).await;
    Ok(removed)
}

/// Somebody else removes it, or already has.
fn is_gone(error: &bollard::errors::Error) -> bool {
    matches!(
        error,
        bollard::errors::Error::DockerResponseServerError {
            status_code: 404 | 409,
            ..
        }
    )
}

async fn networks(engine: &Engine, whose: &Whose<'_>, ours: &HashMap<&str, Vec<&str>>) {
    let listing = ListNetworksOptionsBuilder::new().filters(ours).build();
    let Ok(found) = engine.docker.list_networks(Some(listing)).await else {
        return;
    };
    for network in found {
        if whose.covers(network.labels.as_ref(), engine.facts.is_local)
            && let Some(id) = network.id
        {
            let _in_use = engine.docker.remove_network(&id).await;
        }
    }
}

async fn images(engine: &Engine, whose: &Whose<'_>, ours: &HashMap<&str, Vec<&str>>) {
    let listing = ListImagesOptionsBuilder::new().filters(ours).build();
    let Ok(found) = engine.docker.list_images(Some(listing)).await else {
        return;
    };
    for image in found {
        if whose.covers(Some(&image.labels), engine.facts.is_local) {
            let removing = engine
                .docker
                .remove_image(&image.id, None::<RemoveImageOptions>, None);
            let _in_use = removing.await;
        }
    }
}

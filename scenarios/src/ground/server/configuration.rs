//! The configuration file of a run: the embedded defaults and nothing but site keys on top, so that
//! what is judged is what ships.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::Setup;
use crate::ground::people::{AUDIENCE, ISSUER, KEY_ID};

/// Where the server writes its audit log.
#[must_use]
pub fn audit_file(folder: &Path) -> PathBuf {
    folder.join("state").join("audit.jsonl")
}

/// Writes the file.
///
/// # Errors
/// The disk's.
pub fn write(setup: &Setup, public: SocketAddr, admin: SocketAddr) -> std::io::Result<()> {
    std::fs::write(
        super::config_file(&setup.folder),
        text(setup, public, admin),
    )
}

fn text(setup: &Setup, public: SocketAddr, admin: SocketAddr) -> String {
    let state = setup.folder.join("state");
    let mut out = String::new();
    let site = &setup.site;
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "[server]\ninstance = {:?}\nlisten = \"{public}\"\nadmin = \"{admin}\"\nstate_dir = {:?}\n",
        site.instance, state
    );
    let _ = writeln!(
        out,
        "[auth]\nmode = \"jwt\"\n\n[auth.jwt]\nalgorithms = [\"HS256\", \"EdDSA\"]\n\
         issuer = {ISSUER:?}\naudience = {AUDIENCE:?}\nkey_id = {KEY_ID:?}\n\
         public_key_file = {:?}\n",
        setup.public_key
    );
    let _ = writeln!(out, "[audit]\nfile = {:?}\n", audit_file(&setup.folder));
    let _ = writeln!(
        out,
        "[models.aliases]\n{:?} = {:?}\n",
        site.alias, site.models[0]
    );
    for edge in &setup.providers {
        let label = site.labels.iter().find(|(name, _)| name == edge.name);
        let label = label.map_or("", |(_, label)| label);
        let _ = writeln!(
            out,
            "[provider.{}]\nenabled = {}\nbase_url = {:?}\nlabel = {label:?}\n\
             allow_private = true\n",
            edge.name,
            setup.unregistered != Some(edge.name),
            edge.base_url
        );
    }
    out
}

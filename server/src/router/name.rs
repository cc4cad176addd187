//! From the name a caller wrote to a model and the providers that serve it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::rank::{Roster, missing_key};
use crate::failure::{Category, Failure};
use crate::provider::dialect::Dialect;
use crate::provider::model::{Model, ModelStatus};

/// A resolved name.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// The model.
    pub model: Arc<Model>,
    /// Registered providers that serve it; never empty.
    pub providers: Vec<String>,
}

/// Resolves a model's name, an alias of the catalogue or of the operator, or `provider/model`.
///
/// # Errors
/// A typed refusal: unknown (with near names), retired (with the successor), or served by no
/// provider that has a key (with the variable).
pub fn resolve(asked: &str, roster: &Roster) -> Result<Named, Failure> {
    let aliases = roster.aliases.get();
    let name = unaliased(asked, &aliases);
    let (row, name) = match name.split_once('/') {
        Some((row, rest)) if is_row(row, roster) => (Some(row), rest),
        _ => (None, name),
    };
    let Some(model) = find(name, row, roster) else {
        return Err(unknown(asked, roster));
    };
    if model.status == ModelStatus::Retired {
        return Err(retired(asked, &model));
    }
    let providers: Vec<String> = roster
        .served
        .iter()
        .filter(|served| row.is_none_or(|row| row == served.name))
        .filter(|served| served.models.iter().any(|one| one.name == model.name))
        .map(|served| served.name.clone())
        .collect();
    if providers.is_empty() {
        return Err(unserved(&model, roster));
    }
    Ok(Named { model, providers })
}

/// What an operator's own name stands for; any other name stands for itself.
pub(super) fn unaliased<'a>(asked: &'a str, aliases: &'a BTreeMap<String, String>) -> &'a str {
    let mut all = aliases.iter();
    let own = all.find(|(alias, _)| alias.eq_ignore_ascii_case(asked));
    own.map_or(asked, |(_, target)| target.as_str())
}

fn is_row(name: &str, roster: &Roster) -> bool {
    roster.served.iter().any(|served| served.name == name)
        || roster.unregistered.iter().any(|row| row.name == name)
}

/// A provider's own list comes first: an operator may serve a listed name under a named row.
fn find(name: &str, row: Option<&str>, roster: &Roster) -> Option<Arc<Model>> {
    let mut served = roster
        .served
        .iter()
        .filter(|served| row.is_none_or(|row| row == served.name));
    let own = served.find_map(|served| {
        served.models.iter().find(|model| {
            model.name.eq_ignore_ascii_case(name)
                || model
                    .aliases
                    .iter()
                    .any(|alias| alias.eq_ignore_ascii_case(name))
        })
    });
    // The demonstration's model exists where its row does.
    let listed = || {
        roster
            .catalogue
            .find(name)
            .filter(|model| model.dialect != Dialect::Demo)
    };
    own.cloned().or_else(|| listed().cloned().map(Arc::new))
}

fn retired(asked: &str, model: &Model) -> Failure {
    let successor = model.successor.as_deref().unwrap_or("auto");
    let message = format!(
        "model {asked} was retired by its vendor. Use {successor} instead, or leave `model` out."
    );
    Failure::validation("/model", message).with_code("model_retired")
}

fn unserved(model: &Model, roster: &Roster) -> Failure {
    let rows: Vec<_> = roster
        .unregistered
        .iter()
        .filter(|row| row.dialect == model.dialect)
        .cloned()
        .collect();
    if roster.served.is_empty() {
        return missing_key(&roster.unregistered);
    }
    let variables: Vec<String> = rows
        .iter()
        .filter(|row| !row.is_disabled)
        .map(|row| format!("{} ({})", row.key_variables.join(" or "), row.name))
        .collect();
    let fix = if variables.is_empty() {
        "No enabled provider row serves it; add or enable one in the configuration file".to_owned()
    } else {
        format!("Set {} where the server is started", variables.join(", "))
    };
    let message = format!(
        "model {} has no registered provider. {fix}, or leave `model` out; `exai doctor` shows \
         what is found.",
        model.name
    );
    Failure::new(Category::ProviderError, "provider_key_missing", message).with_retryable(false)
}

fn unknown(asked: &str, roster: &Roster) -> Failure {
    let near = suggestions(asked, roster);
    let shown: String = asked
        .chars()
        .filter(|c| !c.is_control())
        .take(100)
        .collect();
    let hint = if near.is_empty() {
        String::new()
    } else {
        format!(" Did you mean {}?", near.join(", "))
    };
    let message = format!(
        "no model is called `{shown}`.{hint} Ask `listmodels` for all names, or leave `model` out."
    );
    Failure::validation("/model", message).with_code("model_unknown")
}

/// Up to three names that can be used now and look like the one asked for.
fn suggestions(asked: &str, roster: &Roster) -> Vec<String> {
    let asked = asked.to_ascii_lowercase();
    let mut near: Vec<(usize, String)> = roster
        .served
        .iter()
        .flat_map(|served| &served.models)
        .map(|model| {
            (
                distance(&asked, &model.name.to_ascii_lowercase()),
                model.name.clone(),
            )
        })
        .collect();
    near.sort();
    near.dedup();
    near.truncate(3);
    near.into_iter().map(|(_, name)| name).collect()
}

/// The edit distance of two names; names are cut to 100 characters to bound the work.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(100).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(100).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

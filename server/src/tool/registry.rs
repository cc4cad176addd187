//! Which tools exist, which are listed, and why the others are not.

use std::sync::Arc;

use jsonschema::Validator;
use serde::Serialize;
use serde_json::{Map, Value};

use super::catalogue::{Catalogue, Kind, Row, Tier, listed};
use super::{prompt, schema};
use crate::config::{Prompts, ToolProfile, Tools};
use crate::provider::method::Method;

/// A tool that can be called.
#[derive(Debug)]
pub struct Tool {
    /// Its row.
    pub row: Row,
    /// The row's name, for as long as the process runs.
    pub name: &'static str,
    /// The input schema, as listed; `validator` is stricter about lengths.
    pub input: Arc<Map<String, Value>>,
    /// The output schema, as listed.
    pub output: Option<Arc<Map<String, Value>>>,
    /// The instructions for the model; empty where none is asked.
    pub system: &'static str,
    /// Checks arguments against the whole schema.
    pub validator: Validator,
    /// Arguments whose schema says how long they may be.
    bounded: Vec<String>,
}

impl Tool {
    /// Whether an argument's schema says how long it may be.
    #[must_use]
    pub fn bounds_itself(&self, argument: &str) -> bool {
        self.bounded.iter().any(|name| name == argument)
    }
}

/// A tool that is not there, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Absent {
    /// Its name.
    pub name: String,
    /// One sentence.
    pub reason: String,
}

/// What became of a row, for the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loading {
    /// The tool's name.
    pub name: String,
    /// Whether it can be called.
    pub loaded: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a name stands for.
#[derive(Debug)]
pub enum Found<'a> {
    /// Listed and callable.
    Tool(&'a Arc<Tool>),
    /// Known, and not available here.
    Hidden(&'a Absent),
    /// Never heard of.
    Unknown,
}

/// The tools of this process.
#[derive(Debug, Default)]
pub struct Registry {
    tools: Vec<Arc<Tool>>,
    hidden: Vec<Absent>,
    broken: Vec<Absent>,
}

/// Suffixes that older clients append to names.
const SUFFIXES: [&str; 4] = ["_EXAI-WS", "-EXAI-WS", "_EXAI_WS", "-EXAI_WS"];

impl Registry {
    /// Builds the registry; `has_provider` says whether a provider row has a key.
    #[must_use]
    pub fn build(
        catalogue: Catalogue,
        settings: &Tools,
        has_provider: impl Fn(&str) -> bool,
    ) -> Self {
        let mut registry = Self::default();
        for (name, reason) in catalogue.broken {
            registry.lose(name, reason);
        }
        for (row, input) in catalogue.rows {
            if let Some(reason) = why_hidden(&row, settings, &has_provider) {
                registry.hidden.push(Absent {
                    name: row.name,
                    reason,
                });
                continue;
            }
            let name = row.name.clone();
            match load(row, input, &settings.instructions) {
                Ok(tool) if registry.tools.iter().any(|other| other.name == tool.name) => {
                    registry.lose(name, "another row has the same name".to_owned());
                }
                Ok(tool) => registry.tools.push(Arc::new(tool)),
                Err(reason) => registry.lose(name, reason),
            }
        }
        for (name, _) in settings.instructions.all() {
            if prompt::text(name).is_none() {
                let reason = "tools.prompts holds this file, and no tool has such an instruction";
                registry.lose(format!("{name}.md"), reason.to_owned());
            }
        }
        registry.tools.sort_by_key(|tool| tool.name);
        registry
    }

    /// The listed tools, by name.
    #[must_use]
    pub fn tools(&self) -> &[Arc<Tool>] {
        &self.tools
    }

    /// Tools that are not listed, broken ones included, with the reason.
    pub fn absent(&self) -> impl Iterator<Item = &Absent> {
        self.hidden.iter().chain(&self.broken)
    }

    /// Tools whose row could not be loaded.
    pub fn broken(&self) -> impl Iterator<Item = &Absent> {
        self.broken.iter()
    }

    /// Finds a tool by the name a client sent.
    #[must_use]
    pub fn find(&self, name: &str) -> Found<'_> {
        let name = canonical(name);
        if let Some(tool) = self.tools.iter().find(|tool| tool.name == name) {
            return Found::Tool(tool);
        }
        self.absent()
            .find(|absent| absent.name == name)
            .map_or(Found::Unknown, Found::Hidden)
    }

    /// Every row and what became of it. A row that the profile leaves out has loaded nothing, and
    /// says so.
    #[must_use]
    pub fn loadings(&self) -> Vec<Loading> {
        let loaded = self.tools.iter().map(|tool| Loading {
            name: tool.name.to_owned(),
            loaded: true,
            reason: None,
        });
        let absent = self.absent().map(|absent| Loading {
            name: absent.name.clone(),
            loaded: false,
            reason: Some(absent.reason.clone()),
        });
        loaded.chain(absent).collect()
    }

    fn lose(&mut self, name: String, reason: String) {
        tracing::error!(tool = name, reason, "a tool could not be loaded");
        self.broken.push(Absent { name, reason });
    }
}

/// Drops a historic suffix; the one historic name with a hyphen becomes the one listed.
#[must_use]
pub fn canonical(name: &str) -> &str {
    let bare = SUFFIXES
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .unwrap_or(name);
    if bare == "self-check" {
        "self_check"
    } else {
        bare
    }
}

/// What a listed tool needs of the provider row it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need<'a> {
    /// The tool.
    pub tool: &'a str,
    /// The provider row.
    pub provider: &'a str,
    /// The method.
    pub method: Method,
}

/// What the tools that these settings list need of the providers they name.
#[must_use]
pub fn needs<'a>(catalogue: &'a Catalogue, settings: &Tools) -> Vec<Need<'a>> {
    let rows = catalogue.rows.iter().map(|(row, _)| row);
    let listed = rows.filter(|row| why_hidden(row, settings, |_| true).is_none());
    let of = |row: &'a Row| {
        let provider = row.provider.as_deref().unwrap_or_default();
        row.kind.needs().iter().map(move |&method| Need {
            tool: &row.name,
            provider,
            method,
        })
    };
    listed.flat_map(of).collect()
}

fn why_hidden(row: &Row, settings: &Tools, has_provider: impl Fn(&str) -> bool) -> Option<String> {
    if row.tier == Tier::Forced {
        return None;
    }
    let lists = |names: &[String]| names.iter().any(|name| canonical(name) == row.name);
    if lists(&settings.deny) {
        return Some("tools.deny names it".to_owned());
    }
    let is_allowed = if settings.allow.is_empty() {
        match settings.profile {
            ToolProfile::Lean => row.tier <= Tier::Core,
            ToolProfile::Standard => row.tier <= Tier::Advanced,
            ToolProfile::Full => true,
        }
    } else {
        lists(&settings.allow)
    };
    if !is_allowed {
        return Some("the configured profile or tools.allow leaves it out".to_owned());
    }
    match &row.provider {
        Some(provider) if !has_provider(provider) => {
            Some(format!("the provider {provider} has no key"))
        }
        _ => None,
    }
}

/// The operator's instruction, else the embedded one.
fn instruction(name: &str, own: &Prompts) -> Result<&'static str, String> {
    match own.get(name) {
        // Leaked like the row's name: there are as many as files, and the process needs them all.
        Some(found) => Ok(Box::leak(Box::from(found?))),
        None => prompt::text(name).ok_or_else(|| format!("there is no prompt {name}")),
    }
}

fn bounded(input: &Map<String, Value>) -> Vec<String> {
    let properties = input.get("properties").and_then(Value::as_object);
    let all = properties.into_iter().flatten();
    let bounded = all.filter(|(_, schema)| schema.get("maxLength").is_some());
    bounded.map(|(name, _)| name.clone()).collect()
}

fn load(row: Row, input: Map<String, Value>, own: &Prompts) -> Result<Tool, String> {
    let system = match &row.prompt {
        Some(name) => instruction(name, own)?,
        None if row.asks_models() => return Err("it names no prompt".to_owned()),
        None => "",
    };
    if row.kind == Kind::Workflow {
        let needs = ["step", "step_number", "total_steps", "next_step_required"];
        if let Some(name) = needs
            .iter()
            .find(|name| !row.required.iter().any(|r| r == *name))
        {
            return Err(format!("a workflow must require {name}"));
        }
        if row.expert == row.layout.is_some() {
            return Err("a workflow has either a reviewer or a layout".to_owned());
        }
    }
    let validator = schema::compile(&schema::bounded(&input))?;
    if let Some(output) = &row.output {
        schema::compile(output)?;
    }
    // Names label metrics and tasks that outlive any borrow; there are as many as rows.
    let name: &'static str = Box::leak(row.name.clone().into_boxed_str());
    let output = row.output.clone().map(Arc::new);
    Ok(Tool {
        row,
        name,
        input: Arc::new(listed(&input)),
        output,
        system,
        validator,
        bounded: bounded(&input),
    })
}

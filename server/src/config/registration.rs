//! Whether each provider row has the methods that the listed tools need of it.
//!
//! A row is held to this whether or not its key is set: what a configuration says must not hang on
//! the machine that checks it. A row that is switched off is asked nothing and promises nothing.

use std::collections::BTreeMap;

use super::relations::Wrong;
use super::{Config, Dialect, ProviderRow};
use crate::provider::method::Method;
use crate::tool::catalogue::Catalogue;
use crate::tool::registry::{Need, needs};

/// Refuses each enabled row for each method that it lacks and a listed tool needs.
pub(super) fn check(config: &Config) -> Vec<Wrong> {
    let all = needs(Catalogue::embedded(), &config.tools);
    let rows = config.providers.values().filter(|row| row.enabled);
    rows.flat_map(|row| refusals(row, &all)).collect()
}

fn refusals(row: &ProviderRow, all: &[Need<'_>]) -> Vec<Wrong> {
    let of = all.iter().filter(|need| need.provider == row.name);
    let mut tools: BTreeMap<Method, Vec<&str>> = BTreeMap::new();
    for need in of {
        tools.entry(need.method).or_default().push(need.tool);
    }
    let fits = |dialect: &Dialect| tools.keys().all(|method| has(*dialect, *method));
    let fitting = Dialect::ALL.into_iter().find(fits);
    let lacks = |(method, _): &(&Method, _)| !has(row.dialect, **method);
    let lacking = tools.iter().filter(lacks);
    lacking
        .map(|(method, tools)| refusal(row, *method, tools, fitting))
        .collect()
}

fn has(dialect: Dialect, method: Method) -> bool {
    dialect.spoken().spelling(method).is_some()
}

/// `fitting` is the dialect that has all that the tools need of this row.
fn refusal(row: &ProviderRow, method: Method, tools: &[&str], fitting: Option<Dialect>) -> Wrong {
    let fix = fitting.map_or(String::new(), |dialect| {
        format!("set it to \"{}\", ", dialect.name())
    });
    let message = format!(
        "the provider {} cannot be registered: dialect \"{}\" lacks the method {}, needed by {}; \
         {fix}give the row another name, or name in tools.deny what needs it",
        row.name,
        row.dialect.name(),
        method.name(),
        tools.join(", "),
    );
    (format!("provider.{}.dialect", row.name), message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Fault, Faults};

    const FULL: &str = "[tools]\nprofile = \"full\"\n";

    fn refused(text: &str) -> Vec<Fault> {
        let refused = Config::from_toml(text).err();
        refused.map_or(Vec::new(), |Faults(faults)| faults)
    }

    #[test]
    fn a_row_is_refused_for_each_method_that_it_lacks_and_a_listed_tool_needs() {
        let kimi = |dialect: &str| format!("[provider.kimi]\ndialect = \"{dialect}\"\n");
        let glm = |dialect: &str| format!("[provider.glm]\ndialect = \"{dialect}\"\n");
        let table = [
            (kimi("openai"), vec!["hosted_search"]),
            (kimi("minimax"), vec!["tool_chat", "hosted_search"]),
            (
                FULL.to_owned() + &kimi("glm"),
                vec!["hosted_search", "files"],
            ),
            (
                FULL.to_owned() + &kimi("minimax"),
                vec!["tool_chat", "hosted_search", "files"],
            ),
            (FULL.to_owned() + &glm("openai"), vec!["search_engine"]),
            (glm("openai"), vec![]),
        ];
        for (text, methods) in table {
            let faults = refused(&text);
            assert_eq!(faults.len(), methods.len(), "{text}: {faults:?}");
            for (fault, method) in faults.iter().zip(methods) {
                let lacks = format!("lacks the method {method}, needed by ");
                assert!(fault.message.contains(&lacks), "{text}: {fault}");
            }
        }
    }

    #[test]
    fn the_refusal_names_provider_method_tools_key_layer_and_the_ways_out() {
        let text = FULL.to_owned() + "[provider.kimi]\ndialect = \"minimax\"\n";
        let shown: Vec<String> = refused(&text).iter().map(ToString::to_string).collect();
        assert_eq!(
            shown[0],
            "provider.kimi.dialect (file (text)): the provider kimi cannot be registered: dialect \
             \"minimax\" lacks the method tool_chat, needed by kimi_chat_with_tools, \
             kimi_capture_headers; set it to \"kimi\", give the row another name, or name in \
             tools.deny what needs it"
        );
    }

    #[test]
    fn a_row_of_which_nothing_is_needed_that_it_lacks_is_accepted() {
        let chat = "[provider.minimax_chat]\ndialect = \"openai\"\nmodels = [\"MiniMax-M3\"]\n\
                    base_url = \"https://api.minimax.io/v1\"\n";
        let kimi = "[provider.kimi]\ndialect = \"openai\"\n";
        let off = format!("{kimi}enabled = false\n");
        let deny = "deny = [\"kimi_chat_with_tools\", \"kimi_manage_files\"]\n";
        let allow = "[tools]\nallow = [\"chat\", \"kimi_intent_analysis\"]\n";
        let texts = [
            String::new(),
            FULL.to_owned(),
            FULL.to_owned() + chat,
            FULL.to_owned() + &off,
            format!("{FULL}{deny}{kimi}"),
            format!("{allow}{kimi}"),
            "[tools]\nprofile = \"lean\"\n".to_owned() + kimi,
        ];
        for text in texts {
            assert_eq!(refused(&text), [], "{text}");
        }
    }
}

//! The guide and the runbooks as resources: the pages of this very build, the same for everybody.

use rmcp::model::{Resource, ResourceTemplate};

include!(concat!(env!("OUT_DIR"), "/documents.rs"));

/// The list of pages.
pub const INDEX: &str = "exai://docs";

/// One page.
pub const TEMPLATE: &str = "exai://docs/{page}";

const PREFIX: &str = "exai://docs/";
const MARKDOWN: &str = "text/markdown";

/// The name of each page, in order.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// The list of pages, as a resource.
pub fn listed() -> Resource {
    Resource::new(INDEX, "docs")
        .with_title("Documentation")
        .with_description("The pages of the guide and the runbooks, by name.")
        .with_mime_type(MARKDOWN)
}

/// A page, as a template.
pub fn template() -> ResourceTemplate {
    ResourceTemplate::new(TEMPLATE, "docs page")
        .with_title("A page of the documentation")
        .with_description("A page of the guide, or a runbook by its alert.")
        .with_mime_type(MARKDOWN)
}

/// Text and type of a page or of their list; `None` for any other address.
pub fn read(uri: &str) -> Option<(String, &'static str)> {
    if uri == INDEX {
        let line = |(name, text): &(&str, &str)| format!("* [{}]({PREFIX}{name})\n", title(text));
        let lines: String = FILES.iter().map(line).collect();
        return Some((format!("# Documentation\n\n{lines}"), MARKDOWN));
    }
    let wanted = uri.strip_prefix(PREFIX)?;
    let (_, text) = FILES.iter().find(|(name, _)| *name == wanted)?;
    Some(((*text).to_owned(), MARKDOWN))
}

/// A page's first heading.
fn title(text: &str) -> &str {
    let heading = text.lines().find_map(|line| line.strip_prefix("# "));
    heading.unwrap_or("Untitled")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_page_of_the_guide_and_every_runbook_can_be_read_by_a_name_of_its_own() {
        let known: BTreeSet<&str> = names().collect();
        assert_eq!(known.len(), FILES.len(), "two pages have one name");
        for page in [
            "tools",
            "configuration",
            "troubleshooting",
            "not-ready",
            "runbooks",
        ] {
            let (text, kind) = read(&format!("{PREFIX}{page}")).unwrap();
            assert!(text.starts_with("# ") && kind == MARKDOWN, "{page}");
        }
        let (index, _) = read(INDEX).unwrap();
        assert!(
            names().all(|name| index.contains(&format!("({PREFIX}{name})"))),
            "{index}"
        );
        assert_eq!(read("exai://docs/no-such-page"), None);
        assert_eq!(read("exai://docs/../../etc/passwd"), None);
    }
}

//! The instructions of the tools that ask a model: one file in `prompts/` each, embedded by the
//! build script, so that a new tool brings its file and nothing else.

include!(concat!(env!("OUT_DIR"), "/prompts.rs"));

/// The text of a prompt file.
#[must_use]
pub fn text(name: &str) -> Option<&'static str> {
    FILES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::catalogue::{Catalogue, TOOLS_TOML};

    #[test]
    fn every_file_of_the_folder_belongs_to_a_tool_and_no_two_are_equal() {
        let mut rows: Vec<String> = Catalogue::parse(TOOLS_TOML)
            .rows
            .into_iter()
            .filter_map(|(row, _)| row.prompt)
            .collect();
        rows.sort();
        // A preview of chat's request shows chat's instruction.
        rows.dedup();
        let names: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(rows, names);
        let mut texts: Vec<&str> = FILES.iter().map(|(_, text)| *text).collect();
        assert!(texts.iter().all(|text| text.len() > 200));
        texts.sort_unstable();
        assert!(texts.windows(2).all(|pair| pair[0] != pair[1]));
    }
}

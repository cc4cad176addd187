//! The instructions of the tools that ask a model: one file in `prompts/` each.

/// Every file of `prompts/`, by its name without extension.
const FILES: [(&str, &str); 3] = [
    ("analyze", include_str!("../../prompts/analyze.md")),
    ("chat", include_str!("../../prompts/chat.md")),
    ("consensus", include_str!("../../prompts/consensus.md")),
];

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

    #[test]
    fn every_file_of_the_folder_is_embedded_and_no_two_are_equal() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/prompts");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| {
                entry
                    .unwrap()
                    .path()
                    .file_stem()
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        names.sort();
        assert_eq!(names, FILES.map(|(name, _)| name));
        let mut texts = FILES.map(|(_, text)| text);
        texts.sort_unstable();
        assert!(texts.windows(2).all(|pair| pair[0] != pair[1]));
    }
}

//! The proof lines of a text answer, taken from the text exactly as received (CRITERIA, Proof).

use exai_judge::hex::sha256;
use exai_judge::operation::AnswerSeen;

/// Every complete keyed answer in `text`, in order.
///
/// A keyed answer starts at a line `answer …` and ends at the next line `seal …`; a consensus
/// reply carries several inside one text. A text with exactly one keeps the digest and length of
/// the whole text, so that anything added around it shows. A text with none gives its own first,
/// last but one and last line: a wrong answer is an answer too.
#[must_use]
pub fn answers(text: &str) -> Vec<AnswerSeen> {
    let lines: Vec<&str> = text.split('\n').collect();
    let blocks = blocks(&lines);
    match blocks.as_slice() {
        [] if text.is_empty() => Vec::new(),
        [] => vec![seen(&lines, text)],
        [(from, to)] => vec![seen(&lines[*from..=*to], text)],
        several => several
            .iter()
            .map(|(from, to)| {
                let block = &lines[*from..=*to];
                seen(block, &block.join("\n"))
            })
            .collect(),
    }
}

fn blocks(lines: &[&str]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut from = None;
    for (index, line) in lines.iter().enumerate() {
        match from {
            None if line.starts_with("answer ") => from = Some(index),
            Some(start) if line.starts_with("seal ") => {
                found.push((start, index));
                from = None;
            }
            _ => {}
        }
    }
    found
}

fn seen(block: &[&str], text: &str) -> AnswerSeen {
    let (seal, above) = block.split_last().unwrap_or((&"", &[]));
    AnswerSeen {
        first: above.first().unwrap_or(seal).to_string(),
        last: above.last().unwrap_or(&"").to_string(),
        seal: seal.to_string(),
        above_sha256: sha256(above.join("\n").as_bytes()),
        text_sha256: sha256(text.as_bytes()),
        chars: u64::try_from(text.chars().count()).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyed(seq: &str) -> String {
        format!("answer {seq} aa bb\nprose\nmore\nanswer {seq} aa bb\nseal cc dd")
    }

    #[test]
    fn a_single_answer_is_the_whole_text() {
        let found = answers(&keyed("kimi.1.1"));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].first, "answer kimi.1.1 aa bb");
        assert_eq!(found[0].last, found[0].first);
        assert_eq!(found[0].seal, "seal cc dd");
        let above = "answer kimi.1.1 aa bb\nprose\nmore\nanswer kimi.1.1 aa bb";
        assert_eq!(found[0].above_sha256, sha256(above.as_bytes()));
    }

    #[test]
    fn text_around_a_single_answer_changes_its_text_digest() {
        let plain = answers(&keyed("kimi.1.1"));
        for spoiled in [
            format!("Sure!\n{}", keyed("kimi.1.1")),
            format!("{}\n", keyed("kimi.1.1")),
        ] {
            let found = answers(&spoiled);
            assert_eq!(found[0].first, plain[0].first);
            assert_ne!(found[0].text_sha256, plain[0].text_sha256, "{spoiled:?}");
        }
    }

    #[test]
    fn several_answers_in_one_text_are_told_apart() {
        let text = format!(
            "# kimi\n{}\n\n# glm\n{}\n",
            keyed("kimi.1.4"),
            keyed("glm.1.2")
        );
        let found = answers(&text);
        let firsts: Vec<_> = found.iter().map(|answer| answer.first.as_str()).collect();
        assert_eq!(firsts, ["answer kimi.1.4 aa bb", "answer glm.1.2 aa bb"]);
        assert_eq!(found[1].text_sha256, sha256(keyed("glm.1.2").as_bytes()));
    }

    #[test]
    fn a_cut_answer_gives_lines_that_prove_nothing() {
        let cut = answers("answer kimi.1.1 aa\nprose\nand mo");
        assert_eq!((cut.len(), cut[0].seal.as_str()), (1, "and mo"));
        let two = format!("{}\n\nanswer glm.1.2 aa\ncut", keyed("kimi.1.4"));
        assert_eq!(answers(&two).len(), 1);
        assert!(answers("").is_empty());
        assert_eq!(answers("42").len(), 1);
    }
}

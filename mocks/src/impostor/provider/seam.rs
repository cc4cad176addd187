//! Saboteur S37: one character of a streamed answer replaced, at the seam of two chunks.

use bytes::Bytes;
use serde_json::Value;

use super::DELTAS;
use crate::impostor::message::{self, Events};

/// What a decoder writes that was given half of a character.
const REPLACEMENT: char = '\u{fffd}';
/// Lines of an answer that hold its proof: without them it would be no answer at all.
const PROOFS: [&str; 2] = ["answer ", "seal "];

/// The stream with the first character of prose replaced behind which a chunk ends and another
/// follows; None where there is no such seam.
pub(super) fn replaced(bytes: &[u8]) -> Option<Bytes> {
    let mut reader = Events::default();
    let mut events = reader.push(bytes);
    events.push(reader.rest());
    let texts: Vec<(usize, String)> = events
        .iter()
        .enumerate()
        .filter_map(|(place, event)| Some((place, text_of(event)?)))
        .collect();
    let whole: String = texts.iter().map(|(_, text)| text.as_str()).collect();
    let mut end = 0;
    let (_, seams) = texts.split_last()?;
    let (place, text) = seams.iter().find(|(_, text)| {
        end += text.len();
        is_prose(&whole, text, end)
    })?;
    let mut spoiled = text.clone();
    spoiled.pop()?;
    spoiled.push(REPLACEMENT);
    let event = events.get_mut(*place)?;
    *event = with_text(event, &spoiled)?;
    Some(Bytes::from(events.concat()))
}

/// The text of a chunk that has any.
fn text_of(event: &[u8]) -> Option<String> {
    let data = message::data_of(event)?;
    let mut places = DELTAS.iter().filter_map(|path| data.pointer(path));
    let text = places.find_map(Value::as_str)?;
    (!text.is_empty()).then(|| text.to_owned())
}

fn with_text(event: &[u8], text: &str) -> Option<Bytes> {
    let mut data = message::data_of(event)?;
    for path in DELTAS {
        if let Some(place) = data.pointer_mut(path) {
            *place = text.into();
        }
    }
    Some(message::with_data(event, &data))
}

/// Whether a chunk that ends at byte `end` of the whole text ends within a line of prose.
fn is_prose(whole: &str, chunk: &str, end: usize) -> bool {
    let Some((before, after)) = whole.split_at_checked(end) else {
        return false;
    };
    let is_within = !chunk.ends_with('\n') && !after.is_empty();
    let from = before.rfind('\n').map_or(0, |at| at + 1);
    let line = whole.get(from..).unwrap_or_default();
    is_within && !PROOFS.iter().any(|proof| line.starts_with(proof))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stream(chunks: &[&str]) -> String {
        let frames = chunks.iter().map(|text| {
            let data = json!({"choices": [{"delta": {"content": text}}]});
            format!("data: {data}\n\n")
        });
        frames.collect::<String>() + "data: [DONE]\n\n"
    }

    #[test]
    fn one_character_at_a_seam_of_the_prose_is_replaced_and_every_proof_is_left() {
        let chunks = [
            "answer k.1",
            ".1 aa\n",
            "caf",
            "é an",
            "d\nanswer k",
            ".1.1 aa\nseal b c",
        ];
        let spoiled = replaced(stream(&chunks).as_bytes()).unwrap();
        let mut wanted = chunks;
        wanted[2] = "ca\u{fffd}";
        assert_eq!(spoiled, stream(&wanted));
    }

    #[test]
    fn a_stream_without_a_seam_in_its_prose_is_left() {
        for chunks in [
            &["answer k.1.1 aa\ncafé and\nanswer k.1.1 aa\nseal b c"][..],
            &[
                "answer k.1",
                ".1 aa\n",
                "café\n",
                "answer k.1.1 aa\nseal",
                " b c",
            ],
            &[],
        ] {
            assert_eq!(replaced(stream(chunks).as_bytes()), None, "{chunks:?}");
        }
    }
}

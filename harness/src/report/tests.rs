//! Three sample runs through every writer, read back by parsers we did not write.

mod browser;
mod exported;
mod formats;
mod honesty;
mod page;
mod plots;
pub(crate) mod samples;
mod several;
mod trend;

use super::files::Format;

/// The forms that tell the opening and every criterion's headline in words.
const OPENED: [Format; 4] = [
    Format::Terminal,
    Format::Markdown,
    Format::Html,
    Format::Json,
];

//! Trouble on a wire in the few words that the judge knows.

/// An error of the operating system in the few words the judge knows.
#[must_use]
pub fn io_words(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => {
            "connection reset".to_owned()
        }
        ErrorKind::UnexpectedEof => "connection closed".to_owned(),
        _ => format!("io: {error}"),
    }
}

//! Seeded prose in the shapes of real prompts: questions, code, logs, letters, several scripts.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Words and sentence openings by script. No line begins with `answer` or `seal`.
const SCRIPTS: [&[&str]; 5] = [
    &[
        "the",
        "cache",
        "returns",
        "stale",
        "rows",
        "after",
        "deploy",
        "because",
        "worker",
        "keeps",
        "a",
        "handle",
        "to",
        "old",
        "index",
        "and",
        "retries",
        "without",
        "limit",
        "until",
        "timeout",
        "fires",
        "in",
        "production",
        "only",
    ],
    &[
        "die",
        "Anfrage",
        "dauert",
        "länger",
        "als",
        "erwartet",
        "obwohl",
        "der",
        "Index",
        "gepflegt",
        "wird",
        "und",
        "niemand",
        "weiß",
        "warum",
        "größere",
        "Tabellen",
        "warten",
    ],
    &[
        "部署", "之后", "缓存", "返回", "旧", "数据", "因为", "工作", "进程", "保留", "索引",
        "句柄",
    ],
    &[
        "запрос",
        "выполняется",
        "слишком",
        "долго",
        "после",
        "обновления",
        "индекса",
        "в",
        "базе",
    ],
    &[
        "الخادم",
        "يعيد",
        "بيانات",
        "قديمة",
        "بعد",
        "التحديث",
        "ولا",
        "نعرف",
        "السبب",
    ],
];

const OPENINGS: [&str; 6] = [
    "Can you help me understand this?",
    "We see the following in production and cannot explain it.",
    "Please review the text below, then tell me what you would change first.",
    "Context first, question at the end.",
    "Kurze Frage dazu:",
    "I pasted the relevant part; ignore the formatting.",
];

const CODE: [&str; 6] = [
    "fn reload(&mut self) -> io::Result<()> {",
    "    let rows = self.index.scan(from..to)?;",
    "for attempt in range(5): await sleep(2 ** attempt)",
    "SELECT id, owner FROM threads WHERE expires_at < now();",
    "2026-11-20T08:14:03Z WARN pool exhausted waiting=31",
    "assert_eq!(left, right, \"rows differ\"); // 🤔",
];

/// How long a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Size {
    /// 20 to 200 characters.
    Short,
    /// About 2 000 characters.
    Medium,
    /// About 20 000 characters.
    Long,
    /// About 55 000 characters, under the limit for one prompt.
    Huge,
}

impl Size {
    const fn range(self) -> (usize, usize) {
        match self {
            Self::Short => (20, 200),
            Self::Medium => (1_000, 3_000),
            Self::Long => (15_000, 25_000),
            Self::Huge => (50_000, 58_000),
        }
    }
}

/// Where in a text a tracer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Position {
    /// The first words.
    First,
    /// Between two lines.
    Middle,
    /// The last words.
    Last,
}

/// A source of prose; the same seed gives the same texts.
pub struct Prose {
    random: ChaCha8Rng,
}

impl Prose {
    /// Prose for this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            random: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// Sizes as traffic has them: mostly short, sometimes long.
    pub fn size(&mut self) -> Size {
        match self.random.random_range(0..100) {
            0..70 => Size::Short,
            70..95 => Size::Medium,
            _ => Size::Long,
        }
    }

    /// A text with `tracer` at a drawn position, whitespace or an end on both its sides.
    pub fn around(&mut self, tracer: &str, size: Size) -> String {
        let position = match self.random.random_range(0..3) {
            0 => Position::First,
            1 => Position::Middle,
            _ => Position::Last,
        };
        self.around_at(tracer, size, position)
    }

    /// The same at a given position.
    pub fn around_at(&mut self, tracer: &str, size: Size, position: Position) -> String {
        let (least, most) = size.range();
        let chars = self.random.random_range(least..=most);
        match position {
            Position::First => format!("{tracer} {}", self.text(chars)),
            Position::Last => format!("{} {tracer}", self.text(chars)),
            Position::Middle => {
                let before = self.text(chars / 2);
                format!("{before}\n{tracer}\n{}", self.text(chars / 2))
            }
        }
    }

    /// At least `chars` characters of prose in lines.
    pub fn text(&mut self, chars: usize) -> String {
        let mut text = self.pick(&OPENINGS).to_owned();
        let mut length = text.chars().count();
        while length < chars {
            let line = self.line();
            length += line.chars().count() + 1;
            text.push('\n');
            text.push_str(&line);
        }
        text
    }

    /// A file name of a kind that people attach.
    pub fn file_name(&mut self) -> String {
        let stem = self.pick(SCRIPTS[0]).to_owned();
        let number = self.random.random_range(1..100);
        let ending = self.pick(&["rs", "py", "md", "log", "toml", "sql", "ts", "txt"]);
        format!("{stem}_{number}.{ending}")
    }

    /// One of several, by the seed.
    pub fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices
            .get(self.random.random_range(0..choices.len().max(1)))
            .copied()
            .unwrap_or("")
    }

    fn line(&mut self) -> String {
        if self.random.random_range(0..5) == 0 {
            return self.pick(&CODE).to_owned();
        }
        let script = SCRIPTS[self.random.random_range(0..SCRIPTS.len())];
        let count = self.random.random_range(4..14);
        let words: Vec<&str> = (0..count).map(|_| self.pick(script)).collect();
        let end = self.pick(&[".", "?", ":", ".", " …"]);
        format!("{}{end}", words.join(" "))
    }
}

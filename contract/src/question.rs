//! Questions: what the server may ask an edge through its long-poll. A question changes nothing.

use serde::{Deserialize, Serialize};

use crate::id::{OriginId, QuestionId};

/// How long a question waits for its answer before it is gone.
pub const QUESTION_LIFETIME_MS: u64 = 10_000;
/// The most questions that wait for one edge.
pub const MAX_WAITING_QUESTIONS: usize = 16;
/// The most bytes of an answer.
pub const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Its id; the answer is posted under it.
    pub id: QuestionId,
    /// What is asked.
    pub ask: Ask,
}

/// What may be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// Can you reach this origin?
    Reach {
        /// Which.
        origin: OriginId,
    },
}

/// An edge's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// Whether an origin was reached.
    Reach {
        /// It accepted a connection.
        reachable: bool,
        /// How long the connection took, or what went wrong; the origin's address is not in it.
        detail: String,
    },
    /// The edge does not know how to answer.
    Unknown,
}

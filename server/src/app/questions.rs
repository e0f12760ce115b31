//! Questions to edges: handed out by the edges' long-poll, held in memory only, gone after 10 s,
//! bounded in number. A question changes nothing.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use contract::id::{EdgeId, QuestionId};
use contract::question::{MAX_WAITING_QUESTIONS, QUESTION_LIFETIME_MS};
use contract::snapshot::EdgeState;
use tokio::sync::oneshot;

use super::{App, Caller, Error, Permission, edges};

pub use contract::question::{Answer, Ask, Question};

#[derive(Debug)]
struct Waiting {
    question: Question,
    handed_out: bool,
    answer: oneshot::Sender<Answer>,
}

/// Questions that wait for an answer.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    by_edge: Mutex<HashMap<EdgeId, Vec<Waiting>>>,
}

impl Questions {
    fn by_edge(&self) -> MutexGuard<'_, HashMap<EdgeId, Vec<Waiting>>> {
        self.by_edge.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, edge: EdgeId, question: Question) -> Option<oneshot::Receiver<Answer>> {
        let mut by_edge = self.by_edge();
        let waiting = by_edge.entry(edge).or_default();
        waiting.retain(|waiting| !waiting.answer.is_closed());
        if waiting.len() >= MAX_WAITING_QUESTIONS {
            return None;
        }
        let (answer, answered) = oneshot::channel();
        waiting.push(Waiting {
            question,
            handed_out: false,
            answer,
        });
        Some(answered)
    }

    /// The questions that an edge has not been handed yet.
    pub(crate) fn hand_out(&self, edge: EdgeId) -> Vec<Question> {
        let mut by_edge = self.by_edge();
        let Some(waiting) = by_edge.get_mut(&edge) else {
            return Vec::new();
        };
        waiting.retain(|waiting| !waiting.answer.is_closed());
        waiting
            .iter_mut()
            .filter_map(|waiting| {
                let is_new = !std::mem::replace(&mut waiting.handed_out, true);
                is_new.then(|| waiting.question.clone())
            })
            .collect()
    }

    /// Takes an edge's answer; one that nobody waits for (any more) is passed over.
    pub(crate) fn answer(&self, edge: EdgeId, id: QuestionId, answer: Answer) {
        let mut by_edge = self.by_edge();
        let Some(waiting) = by_edge.get_mut(&edge) else {
            return;
        };
        if let Some(at) = waiting.iter().position(|waiting| waiting.question.id == id) {
            // Who asked may have gone in this moment; then nobody misses the answer.
            let _ = waiting.swap_remove(at).answer.send(answer);
        }
        if waiting.is_empty() {
            by_edge.remove(&edge);
        }
    }
}

/// Asks an edge and waits for its answer, at most 10 s.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`], [`Error::Conflict`] when the edge does not report or
/// does not answer, [`Error::Busy`] when too many questions wait for it.
pub async fn ask(app: &App, caller: &Caller, edge: EdgeId, ask: Ask) -> Result<Answer, Error> {
    caller.needs(Permission::DrainEdges)?;
    let status = edges::show(app, caller, edge).await?;
    match status.edge.state {
        EdgeState::Active | EdgeState::Draining => {}
        EdgeState::Pending | EdgeState::Lost | EdgeState::Retired => {
            return Err(Error::conflict(format!(
                "edge `{}` is {} and hears no questions",
                status.edge.name,
                status.edge.state.as_str()
            )));
        }
    }
    let lifetime = Duration::from_millis(QUESTION_LIFETIME_MS);
    let question = Question {
        id: QuestionId::new(),
        ask,
    };
    let answered = app.0.questions.put(edge, question).ok_or(Error::Busy {
        retry_after: lifetime,
    })?;
    app.publisher().ring();
    match tokio::time::timeout(lifetime, answered).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) | Err(_) => Err(Error::conflict(format!(
            "edge `{}` did not answer within {} s",
            status.edge.name,
            lifetime.as_secs()
        ))),
    }
}

/// Takes an edge's answer to a question; one that nobody waits for (any more) is passed over.
pub(crate) fn take_answer(app: &App, edge: EdgeId, question: QuestionId, answer: Answer) {
    app.0.questions.answer(edge, question, answer);
}

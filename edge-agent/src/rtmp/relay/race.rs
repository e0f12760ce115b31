//! Several servers may have a stream: they are raced, not waited for in turn (laws.md, 3.7).

use contract::routing::NextHop;
use edge_core::upstream::{ALL_TRIES, STAGGER};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{sleep, timeout};

use super::Failure;

/// What the no of one server means to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rtmp) enum No {
    /// Another one may have what is asked for.
    AskOn,
    /// Nobody else is asked: what one server refuses must not be had from another (A4).
    IsNo,
}

/// Tries servers in order, the next one as soon as one fails or keeps silent for a while; the first
/// that answers is taken. Where none does, one that said no counts for more than silence.
pub(in crate::rtmp) async fn first<T, W>(
    order: Vec<NextHop>,
    no: No,
    attempt: impl Fn(NextHop) -> W,
) -> Result<(NextHop, T), Failure>
where
    W: Future<Output = Result<T, Failure>>,
{
    let attempt = &attempt;
    let run = async move {
        let mut waiting = order.into_iter();
        let mut trying = FuturesUnordered::new();
        let mut failure = Failure::Unreachable;
        loop {
            let more = match waiting.next() {
                Some(next) => {
                    trying.push(async move { (next, attempt(next).await) });
                    true
                }
                None => false,
            };
            if !more && trying.is_empty() {
                return Err(failure);
            }
            tokio::select! {
                Some((next, made)) = trying.next() => match made {
                    Ok(made) => return Ok((next, made)),
                    Err(Failure::Refused) if no == No::IsNo => return Err(Failure::Refused),
                    Err(worse @ (Failure::Refused | Failure::HungUp)) => failure = worse,
                    Err(Failure::Unreachable) => {}
                },
                () = sleep(STAGGER), if waiting.len() > 0 => {}
            }
        }
    };
    timeout(ALL_TRIES, run)
        .await
        .unwrap_or(Err(Failure::Unreachable))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use contract::id::OriginId;
    use std::time::Duration;

    fn origins(count: u128) -> Vec<NextHop> {
        (1..=count)
            .map(|id| NextHop::Origin(OriginId::from_bits(id)))
            .collect()
    }

    #[tokio::test]
    async fn a_silent_server_holds_nobody_up() {
        let all = origins(2);
        let silent = all[0];
        let began = tokio::time::Instant::now();
        let made = first(all.clone(), No::IsNo, |next| async move {
            if next == silent {
                std::future::pending::<()>().await;
            }
            Ok(7)
        })
        .await;
        assert_eq!(made.unwrap(), (all[1], 7));
        assert!(began.elapsed() < Duration::from_secs(2));
    }

    #[tokio::test]
    async fn a_server_that_fails_is_followed_by_the_next_at_once() {
        let all = origins(3);
        let good = all[2];
        let check = |no, failure, expected: Result<NextHop, Failure>| {
            let all = all.clone();
            async move {
                let made = first(all, no, |next| async move {
                    if next == good { Ok(()) } else { Err(failure) }
                });
                let made = made.await.map(|(next, ())| next);
                assert_eq!(made, expected, "{no:?} {failure:?}");
            }
        };
        check(No::AskOn, Failure::Refused, Ok(good)).await;
        check(No::AskOn, Failure::Unreachable, Ok(good)).await;
        check(No::IsNo, Failure::Unreachable, Ok(good)).await;
        check(No::IsNo, Failure::HungUp, Ok(good)).await;
        check(No::IsNo, Failure::Refused, Err(Failure::Refused)).await;
        for failure in [Failure::Refused, Failure::HungUp] {
            let none: Result<(NextHop, ()), _> =
                first(origins(2), No::AskOn, |_| async move { Err(failure) }).await;
            assert_eq!(none.unwrap_err(), failure);
        }
    }
}

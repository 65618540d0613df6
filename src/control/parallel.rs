//! The same work on many things at once, in a bounded number of threads.

use std::sync::{Mutex, PoisonError};

/// Does `work` on every item, on at most `at_most` of them at the same time; answers come in the
/// order of the items. One item is worked on in the calling thread.
///
/// # Panics
/// When `work` does, after the others have ended.
pub fn each<I: Send, T: Send>(
    at_most: usize,
    items: impl IntoIterator<Item = I>,
    work: impl Fn(I) -> T + Sync,
) -> Vec<T> {
    let items: Vec<I> = items.into_iter().collect();
    let threads = at_most.clamp(1, items.len().max(1));
    if items.len() <= 1 {
        return items.into_iter().map(work).collect();
    }
    let queue = Mutex::new(items.into_iter().enumerate());
    let (queue, work) = (&queue, &work);
    let mut answers: Vec<(usize, T)> = std::thread::scope(|scope| {
        let run = || {
            let mut answers = Vec::new();
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((index, item)) = next else {
                    return answers;
                };
                answers.push((index, work(item)));
            }
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        let ended: Vec<_> = running.into_iter().map(|thread| thread.join()).collect();
        ended
            .into_iter()
            .flat_map(|answers| answers.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Barrier, Mutex};

    use super::each;

    #[test]
    fn answers_come_in_order_and_no_more_than_allowed_work_at_once() {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let answers = each(3, 0..20_usize, |number| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::yield_now();
            now.fetch_sub(1, Ordering::SeqCst);
            number * 2
        });
        assert_eq!(
            answers,
            (0..20).map(|number| number * 2).collect::<Vec<_>>()
        );
        assert!(most.into_inner() <= 3);
    }

    #[test]
    fn as_many_as_allowed_do_work_at_once() {
        // Nobody passes before all four are there.
        let barrier = Barrier::new(4);
        let passed = each(4, 0..4, |_| barrier.wait().is_leader());
        assert_eq!(passed.iter().filter(|leader| **leader).count(), 1);
    }

    #[test]
    fn a_panic_is_passed_on_when_the_others_have_ended() {
        let done = Mutex::new(Vec::new());
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            each(2, 0..4, |number| {
                assert!(number != 1, "the one that panics");
                done.lock().expect("not poisoned").push(number);
            })
        }));
        assert!(result.is_err());
        let mut done = done.into_inner().expect("not poisoned");
        done.sort_unstable();
        assert_eq!(done, [0, 2, 3]);
    }
}

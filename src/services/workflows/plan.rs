//! What is to be done next in an execution: pure, from the steps and how each of them is.

use std::collections::HashMap;

use super::definition::Step;

/// Steps of an execution that run at once.
pub(super) const AT_ONCE: usize = 16;

/// How a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Pending,
    Running,
    Completed,
    Failed,
    Skipped,
    Cancelled,
}

impl Status {
    const ALL: [Self; 6] = [
        Self::Pending,
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::Skipped,
        Self::Cancelled,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    pub(super) const fn is_over(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }
}

/// What is to be done with a step, by its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// It begins.
    Start(usize),
    /// It never will; why.
    Skip(usize, String),
    /// All that is in a group is over; the name of the first that failed.
    End(usize, Option<String>),
}

/// The steps, and who waits for whom.
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// Places of those that a step waits for.
    waits: Vec<Vec<usize>>,
    children: Vec<Vec<usize>>,
    /// Places, in the order in which steps begin where several may.
    order: Vec<usize>,
}

impl Plan {
    pub(super) fn new(steps: Vec<Step>) -> Self {
        let places: HashMap<&str, usize> = steps
            .iter()
            .enumerate()
            .map(|(at, step)| (step.name.as_str(), at))
            .collect();
        let waits = steps.iter().map(|step| {
            let names = step.depends_on_steps.iter();
            names
                .filter_map(|name| places.get(name.as_str()).copied())
                .collect()
        });
        let waits = waits.collect();
        let mut children = vec![Vec::new(); steps.len()];
        for (at, step) in steps.iter().enumerate() {
            if let Some(parent) = step.parent {
                children[parent].push(at);
            }
        }
        let mut order: Vec<usize> = (0..steps.len()).collect();
        order.sort_by_key(|at| steps[*at].step_order);
        Self {
            steps,
            waits,
            children,
            order,
        }
    }

    /// A step's place and those of all that is in it.
    pub(super) fn whole(&self, at: usize) -> Vec<usize> {
        let mut all = vec![at];
        let mut next = 0;
        while let Some(group) = all.get(next) {
            all.extend(&self.children[*group]);
            next += 1;
        }
        all
    }

    /// What is to be done next; nothing, while steps run, or once all are over.
    pub(super) fn next(&self, statuses: &[Status]) -> Vec<Move> {
        let is_work = |at: &usize| !self.steps[*at].step_type.is_group();
        let running = |at: &usize| statuses[*at] == Status::Running;
        let busy = (0..statuses.len())
            .filter(|at| is_work(at) && running(at))
            .count();
        let mut room = AT_ONCE.saturating_sub(busy);
        let mut moves = Vec::new();
        for at in self.order.iter().copied() {
            match statuses[at] {
                Status::Pending => match self.fate(at, statuses) {
                    Some(Move::Start(_)) if is_work(&at) && room == 0 => {}
                    Some(next) => {
                        if is_work(&at) && next == Move::Start(at) {
                            room -= 1;
                        }
                        moves.push(next);
                    }
                    None => {}
                },
                Status::Running if self.steps[at].step_type.is_group() => {
                    moves.extend(self.end(at, statuses));
                }
                _ => {}
            }
        }
        moves
    }

    /// What becomes of a step that has not begun, once that is known.
    fn fate(&self, at: usize, statuses: &[Status]) -> Option<Move> {
        if let Some(parent) = self.steps[at].parent {
            match statuses[parent] {
                Status::Pending => return None,
                Status::Running => {}
                _ => return Some(self.skip(at, parent, statuses)),
            }
        }
        let waits = &self.waits[at];
        let lost =
            |wait: &&usize| statuses[**wait].is_over() && statuses[**wait] != Status::Completed;
        if let Some(lost) = waits.iter().find(lost) {
            return Some(self.skip(at, *lost, statuses));
        }
        let ready = waits
            .iter()
            .all(|wait| statuses[*wait] == Status::Completed);
        ready.then_some(Move::Start(at))
    }

    fn skip(&self, at: usize, because: usize, statuses: &[Status]) -> Move {
        let (name, status) = (&self.steps[because].name, statuses[because].as_str());
        let was = if status == "skipped" || status == "cancelled" {
            format!("was {status}")
        } else {
            status.to_owned()
        };
        Move::Skip(at, format!("Step '{name}' {was}"))
    }

    fn end(&self, group: usize, statuses: &[Status]) -> Option<Move> {
        let own = &self.children[group];
        if !own.iter().all(|at| statuses[*at].is_over()) {
            return None;
        }
        let failed = own
            .iter()
            .find(|at| matches!(statuses[**at], Status::Failed | Status::Cancelled));
        Some(Move::End(
            group,
            failed.map(|at| self.steps[*at].name.clone()),
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::definition::Definition, *};
    use Status::{Completed, Failed, Pending, Running, Skipped};

    fn plan(steps: &serde_json::Value) -> Plan {
        let definition = Definition::read(&json!({"name": "w", "steps": steps}));
        Plan::new(definition.expect("a definition").steps)
    }

    #[test]
    fn steps_begin_when_what_they_wait_for_is_completed() {
        let plan = plan(&json!([
            {"name": "b", "step_type": "task", "step_order": 2},
            {"name": "a", "step_type": "task", "step_order": 1},
            {"name": "c", "step_type": "task", "depends_on_steps": ["a", "b"]},
        ]));
        assert_eq!(plan.next(&[Pending; 3]), [Move::Start(1), Move::Start(0)]);
        assert_eq!(plan.next(&[Running, Completed, Pending]), []);
        assert_eq!(
            plan.next(&[Completed, Completed, Pending]),
            [Move::Start(2)]
        );
        let skipped = Move::Skip(2, "Step 'a' failed".to_owned());
        assert_eq!(plan.next(&[Running, Failed, Pending]), [skipped]);
        let skipped = Move::Skip(2, "Step 'b' was skipped".to_owned());
        assert_eq!(plan.next(&[Skipped, Completed, Pending]), [skipped]);
        assert_eq!(plan.next(&[Completed, Failed, Skipped]), []);
    }

    #[test]
    fn groups_begin_hold_and_end() {
        let plan = plan(&json!([
            {"name": "g", "step_type": "parallel", "config": {"steps": [
                {"name": "x", "step_type": "task"}, {"name": "y", "step_type": "task"},
            ]}},
            {"name": "z", "step_type": "task", "depends_on_steps": ["g"]},
        ]));
        assert_eq!(plan.next(&[Pending; 4]), [Move::Start(0)]);
        let both = [Move::Start(1), Move::Start(2)];
        assert_eq!(plan.next(&[Running, Pending, Pending, Pending]), both);
        assert_eq!(plan.next(&[Running, Completed, Running, Pending]), []);
        let ended = [Move::End(0, None)];
        assert_eq!(plan.next(&[Running, Completed, Skipped, Pending]), ended);
        let failed = [Move::End(0, Some("y".to_owned()))];
        assert_eq!(plan.next(&[Running, Completed, Failed, Pending]), failed);
        assert_eq!(
            plan.next(&[Completed, Completed, Completed, Pending]),
            [Move::Start(3)]
        );
        assert_eq!(plan.whole(0), [0, 1, 2]);
    }

    #[test]
    fn only_so_many_run_at_once() {
        let steps: Vec<_> = (0..100)
            .map(|n| json!({"name": format!("s{n}"), "step_type": "task"}))
            .collect();
        let plan = plan(&json!(steps));
        assert_eq!(plan.next(&[Pending; 100]).len(), AT_ONCE);
        let mut statuses = [Pending; 100];
        statuses[..AT_ONCE - 1].fill(Running);
        assert_eq!(plan.next(&statuses), [Move::Start(AT_ONCE - 1)]);
    }
}

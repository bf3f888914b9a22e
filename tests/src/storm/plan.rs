//! What happens in each call: a function of the seed and the number of the call.

use std::time::Duration;

use fastrand::Rng;

/// The callers. Each makes [`ROUND`] calls in a wave.
pub(super) const CALLERS: u64 = 64;
pub(super) const ROUND: u64 = 4;
pub(super) const WAVE: u64 = CALLERS * ROUND;
/// One wave in so many has the acts that take time.
const SLOW: u64 = 16;

macro_rules! acts {
    ($($(#[$doc:meta])* $act:ident = $name:literal,)+) => {
        /// What a peer does with a call.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Act { $($(#[$doc])* $act,)+ }

        impl Act {
            /// All acts.
            pub const ALL: &'static [Act] = &[$(Act::$act),+];

            /// Its name, which is also the path of the request.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Act::$act => $name),+ }
            }
        }
    };
}

acts! {
    /// Answers.
    Answer = "answer",
    /// Answers with 256 KiB.
    Large = "large",
    /// Answers and announces the end of the connection.
    Close = "close",
    /// Answers and ends the connection without a word.
    Leave = "leave",
    /// Ends the connection (FIN) without an answer.
    Fin = "fin",
    /// Resets the connection without an answer, amid the upload if there is one.
    Reset = "reset",
    /// Ends the connection amid its answer.
    FinMidBody = "fin-mid-body",
    /// Resets the connection amid its answer.
    ResetMidBody = "reset-mid-body",
    /// Shuts its sending side and reads on.
    HalfClose = "half-close",
    /// HTTP/2: resets the stream. HTTP/1: as `reset`.
    ResetStream = "reset-stream",
    /// HTTP/2: refuses the stream. HTTP/1: as `fin`.
    Refuse = "refuse",
    /// Resets or ends the connection when it has accepted it, or a little later.
    Accept = "accept",
    /// Reads and never answers.
    Stall = "stall",
    /// Answers a part of the body, and stalls.
    StallMidBody = "stall-mid-body",
    /// Reads nothing of an upload of 8 MiB.
    TakeNothing = "take-nothing",
    /// Answers an upload that never ends, and keeps the connection open.
    AnswerEarly = "answer-early",
}

impl Act {
    /// The act with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Act> {
        Act::ALL.iter().copied().find(|act| act.name() == name)
    }

    /// Whether a call to the peer needs a timeout to end.
    fn stalls(self) -> bool {
        matches!(self, Act::Stall | Act::StallMidBody | Act::TakeNothing)
    }

    /// Whether the call takes long, because of a timeout or of retries.
    fn is_slow(self) -> bool {
        self.stalls() || self == Act::Accept
    }
}

/// The body of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upload {
    None,
    /// This many bytes.
    Bytes(usize),
    /// 16 KiB, and then nothing for ever.
    Endless,
}

/// What the caller does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    Waits,
    /// Drops the call after this time.
    Cancels(Duration),
    /// Drops the response with its body unread.
    DropsBody,
}

/// One call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) number: u64,
    pub(super) http2: bool,
    pub(super) act: Act,
    pub(super) upload: Upload,
    pub(super) caller: Caller,
    /// Whether it has timeouts.
    pub(super) times_out: bool,
}

/// What the peers do with their idle connections before a wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// They keep them.
    Nothing,
    /// They shut them.
    Shut,
    /// They shut them while the threads of the clients are held.
    ShutHeld,
}

/// The plan of a storm.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    seed: u64,
    quick: Vec<Act>,
    slow: Vec<Act>,
    stall: Option<u64>,
}

impl Plan {
    pub(super) fn new(seed: u64, without: &[Act]) -> Plan {
        let acts = Act::ALL.iter().copied().filter(|act| !without.contains(act));
        let (slow, quick) = acts.partition(|act| act.is_slow());
        Plan { seed, quick, slow, stall: None }
    }

    /// Plans a call without an end.
    pub(super) fn stall_without_timeout(&mut self, number: u64) {
        self.stall = Some(number);
    }

    /// What happens before a wave.
    pub(super) fn before(&self, wave: u64) -> Before {
        match self.random(wave, 1).u8(..8) {
            0 => Before::Nothing,
            1 => Before::Shut,
            _ => Before::ShutHeld,
        }
    }

    pub(super) fn call(&self, number: u64) -> Call {
        let (wave, mut random) = (number / WAVE, self.random(number, 2));
        let http2 = match self.random(wave, 3).u8(..4) {
            0 => false,
            1 => true,
            _ => random.bool(),
        };
        // The first call of each caller meets the end of its connection.
        let first = number.is_multiple_of(ROUND);
        let act = match (first, wave % SLOW == SLOW - 1 && random.u8(..4) == 0) {
            (true, _) => Act::Answer,
            (false, true) => random.choice(&self.slow).copied().unwrap_or(Act::Answer),
            // Most acts end the connection, which is shared on HTTP/2: half of the calls are answered.
            (false, false) if random.bool() => {
                *random.choice(&[Act::Answer, Act::Large]).unwrap_or(&Act::Answer)
            }
            (false, false) => random.choice(&self.quick).copied().unwrap_or(Act::Answer),
        };
        let upload = match act {
            Act::AnswerEarly => Upload::Endless,
            Act::TakeNothing => Upload::Bytes(8 << 20),
            Act::Large | Act::Leave => Upload::None,
            _ => *random
                .choice(&[Upload::None, Upload::None, Upload::Bytes(100), Upload::Bytes(200 << 10)])
                .unwrap_or(&Upload::None),
        };
        let caller = match random.u8(..10) {
            0 => Caller::Cancels(Duration::from_micros(random.u64(..3_000))),
            1 => Caller::DropsBody,
            _ => Caller::Waits,
        };
        if self.stall == Some(number) {
            let (act, upload, caller) = (Act::Stall, Upload::None, Caller::Waits);
            return Call { number, http2: false, act, upload, caller, times_out: false };
        }
        Call { number, http2, act, upload, caller, times_out: act.stalls() }
    }

    fn random(&self, number: u64, purpose: u64) -> Rng {
        Rng::with_seed(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (purpose << 56))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plan_is_function_of_seed() {
        let calls = |seed| (0..5_000).map(|number| Plan::new(seed, &[]).call(number)).collect::<Vec<_>>();
        assert_eq!(calls(7), calls(7));
        assert_ne!(calls(7), calls(8));
    }

    #[test]
    fn plan_has_every_act_on_both_protocols() {
        let plan = Plan::new(1, &[]);
        let calls: Vec<_> = (0..10 * SLOW * WAVE).map(|number| plan.call(number)).collect();
        for act in Act::ALL {
            for http2 in [false, true] {
                let count = calls.iter().filter(|call| call.act == *act && call.http2 == http2).count();
                assert!(count > 20, "{act:?}, HTTP/2 {http2}: {count}");
            }
        }
    }

    #[test]
    fn plan_leaves_out_acts() {
        let plan = Plan::new(1, &[Act::AnswerEarly, Act::TakeNothing]);
        for call in (0..10 * SLOW * WAVE).map(|number| plan.call(number)) {
            assert!(!matches!(call.act, Act::AnswerEarly | Act::TakeNothing), "{call:?}");
        }
    }
}

//! What backends do: what the operator says of them, what their checks say, and
//! whether their service has its quorum, taken together.

use super::placement::PlacedDestination;
use super::slots::State;
use std::net::IpAddr;

/// What a backend does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its state, whoever decided it.
    pub state: State,
    /// Its share of new flows.
    pub weight: u16,
}

impl Role {
    /// Whether it gets new flows.
    #[must_use]
    pub fn is_in_rotation(self) -> bool {
        self.state == State::Ready && self.weight > 0
    }
}

/// The state of a backend by itself: one that fails is down, unless the operator has
/// taken it out anyway.
#[must_use]
pub fn state(backend: &PlacedDestination) -> State {
    match (backend.state, backend.is_failing) {
        (State::Ready | State::Drain, true) => State::Down,
        (state, _) => state,
    }
}

/// What the backends of one service do, in the same order.
///
/// With fewer than `quorum` in rotation the sorry backend, which otherwise gets nothing,
/// takes all new flows; the others keep those that they have. A sorry backend that
/// fails itself takes none.
#[must_use]
pub fn roles(backends: &[PlacedDestination], quorum: u32, sorry: Option<IpAddr>) -> Vec<Role> {
    let is_sorry = |backend: &PlacedDestination| sorry == Some(backend.route.address);
    let alone = |backend: &PlacedDestination| Role {
        state: state(backend),
        weight: backend.weight,
    };
    let regular = backends.iter().filter(|backend| !is_sorry(backend));
    let in_rotation = regular.filter(|b| alone(b).is_in_rotation()).count();
    let is_up = u32::try_from(in_rotation).is_ok_and(|n| n >= quorum);
    let stands_in = !is_up
        && backends
            .iter()
            .any(|backend| is_sorry(backend) && alone(backend).state == State::Ready);
    let together = |backend: &PlacedDestination| match (is_sorry(backend), stands_in) {
        (true, true) => Role {
            state: State::Ready,
            weight: 1,
        },
        (false, true) if alone(backend).state == State::Ready => Role {
            state: State::Drain,
            ..alone(backend)
        },
        (true, false) if alone(backend).state == State::Ready => Role {
            state: State::Drain,
            weight: 0,
        },
        _ => alone(backend),
    };
    backends.iter().map(together).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::placement::Route;
    use std::net::Ipv4Addr;

    /// Backends by the last byte of their address, which the sorry one has as 9.
    fn backend(last: u8, state: State, is_failing: bool) -> PlacedDestination {
        let address = Ipv4Addr::new(10, 0, 0, last).into();
        PlacedDestination {
            number: last.into(),
            service: 1,
            route: Route::here(address),
            weight: u16::from(last != 9),
            state,
            is_failing,
            flags: 1,
        }
    }

    fn sorry() -> Option<IpAddr> {
        Some(Ipv4Addr::new(10, 0, 0, 9).into())
    }

    fn states(backends: &[PlacedDestination], quorum: u32) -> Vec<State> {
        let roles = roles(backends, quorum, sorry());
        roles.iter().map(|role| role.state).collect()
    }

    #[test]
    fn who_fails_is_down_unless_the_operator_has_taken_it_out() {
        let all = [State::Ready, State::Drain, State::Maint, State::Down];
        let sick: Vec<_> = (1..).zip(all).map(|(n, s)| backend(n, s, true)).collect();
        assert_eq!(
            states(&sick, 0),
            [State::Down, State::Down, State::Maint, State::Down]
        );
        let well: Vec<_> = (1..).zip(all).map(|(n, s)| backend(n, s, false)).collect();
        assert_eq!(states(&well, 0), all);
    }

    #[test]
    fn the_sorry_backend_gets_new_flows_without_a_quorum_alone() {
        let mut backends = vec![
            backend(1, State::Ready, false),
            backend(2, State::Ready, false),
            backend(9, State::Ready, false),
        ];
        let told = roles(&backends, 2, sorry());
        assert!(told[0].is_in_rotation() && told[1].is_in_rotation());
        assert!(!told[2].is_in_rotation());

        backends[1].is_failing = true;
        let told = roles(&backends, 2, sorry());
        // The one that is well keeps its flows.
        assert_eq!(told[0].state, State::Drain);
        assert_eq!(told[1].state, State::Down);
        assert!(told[2].is_in_rotation());
        assert!(roles(&backends, 1, sorry())[0].is_in_rotation());

        // Whom it would not help is not bothered.
        backends[2].is_failing = true;
        let told = roles(&backends, 2, sorry());
        assert!(told[0].is_in_rotation());
        assert_eq!(told[2].state, State::Down);
        assert!(roles(&backends, 2, None)[0].is_in_rotation());
    }

    #[test]
    fn a_backend_of_no_weight_makes_no_quorum() {
        let mut backends = vec![
            backend(1, State::Ready, false),
            backend(9, State::Ready, false),
        ];
        backends[0].weight = 0;
        assert!(roles(&backends, 1, sorry())[1].is_in_rotation());
    }
}

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    PushBack,
    PopFront,
    Unlink(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::PushBack),
        1 => Just(Step::PopFront),
        2 => any::<usize>().prop_map(Step::Unlink),
    ]
}

proptest! {
    #[test]
    fn list_keeps_order_under_any_steps(steps in prop::collection::vec(step(), 1..200)) {
        let (mut slab, mut list, mut model) = (Slab::new(), List::new(), VecDeque::new());
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::PushBack => {
                    let key = slab.insert(number);
                    slab.push_back(&mut list, key);
                    model.push_back((key, number));
                }
                Step::PopFront => {
                    let popped = slab.pop_front(&mut list).map(|key| (key, slab.remove(key)));
                    prop_assert_eq!(popped, model.pop_front());
                }
                Step::Unlink(at) if !model.is_empty() => {
                    let (key, number) = model.remove(at % model.len()).unwrap();
                    slab.unlink(&mut list, key);
                    prop_assert_eq!(slab.remove(key), number);
                }
                Step::Unlink(_) => {}
            }
            prop_assert_eq!(slab.len(), model.len());
            prop_assert_eq!(list.first(), model.front().map(|(key, _)| *key));
            prop_assert!(model.iter().all(|(key, number)| slab.get(*key) == number));
        }
    }
}

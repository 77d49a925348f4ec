use super::*;

fn away() -> SourceReport {
    SourceReport::Away { from: "n1".to_owned(), reason: "its agent restarts".to_owned() }
}

#[test]
fn everybody_is_told_and_those_who_come_later_learn_who_is_away() {
    let subscribers = Subscribers::default();
    let lost = SourceReport::Lost("a full ring".to_owned());
    let mut first = subscribers.subscribe();
    subscribers.tell(&lost);
    subscribers.tell(&away());
    let mut second = subscribers.subscribe();
    drop(subscribers.subscribe());
    let back = SourceReport::Back { from: "n1".to_owned() };
    subscribers.tell(&back);
    let mut third = subscribers.subscribe();
    let told = |of: &mut UnboundedReceiver<SourceReport>| {
        std::iter::from_fn(|| of.try_recv().ok()).collect::<Vec<_>>()
    };
    assert_eq!(told(&mut first), [lost, away(), back.clone()]);
    assert_eq!(told(&mut second), [away(), back]);
    assert_eq!(told(&mut third), []);
}

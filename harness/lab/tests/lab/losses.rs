//! What the lab itself loses is told, and is not a verdict.

use std::net::UdpSocket;

use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use verdikt_lab::lab::LabEvent;
use verdikt_lab::losses::{LossCause, Lost};

use crate::support::{Bench, Trials};

pub(crate) const TRIALS: Trials = &[
    ("losses::a_packet_that_a_device_refuses_is_told", a_packet_that_a_device_refuses_is_told),
    ("losses::packets_that_a_queue_has_no_room_for_are_told", packets_that_a_queue_has_no_room_for_are_told),
];

/// Changes the device of the namespace this thread is in.
fn change(change: impl FnOnce(&mut LinkMessage)) {
    let mut link = LinkMessage::default();
    link.attributes = vec![LinkAttribute::IfName("eth0".to_owned())];
    change(&mut link);
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_ACK;
    let payload = NetlinkPayload::from(RouteNetlinkMessage::SetLink(link));
    let mut message = NetlinkMessage::new(header, payload);
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    let mut socket = Socket::new(NETLINK_ROUTE).unwrap();
    socket.bind_auto().unwrap();
    socket.send_to(&bytes, &SocketAddr::new(0, 0), 0).unwrap();
    let (answer, _) = socket.recv_from_full().unwrap();
    let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer).unwrap();
    assert!(matches!(&answer.payload, NetlinkPayload::Error(error) if error.code.is_none()), "{answer:?}");
}

fn lost(bench: &mut Bench) -> Lost {
    bench.signal(|signal| match signal {
        LabEvent::Lost(lost) => Some(lost),
        _ => None,
    })
}

fn a_packet_that_a_device_refuses_is_told() {
    let mut bench = Bench::new("web api", &[]);
    bench.at("api", || change(|link| link.header.change_mask = LinkFlags::Up));
    let api = bench.socket("api:53");
    bench.at("web", move || UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"lost", api).unwrap());
    assert_eq!(lost(&mut bench).count(LossCause::Refused), 1);
}

fn packets_that_a_queue_has_no_room_for_are_told() {
    let mut bench = Bench::new("web api", &[]);
    let api = bench.socket("api:53");
    bench.at("web", move || {
        change(|link| link.attributes.push(LinkAttribute::TxQueueLen(1)));
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        for _ in 0..10_000 {
            socket.send_to(b"one of many", api).unwrap();
        }
    });
    bench.count_losses();
    assert!(lost(&mut bench).count(LossCause::Queue) > 0);
}

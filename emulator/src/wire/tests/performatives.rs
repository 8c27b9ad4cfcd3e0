//! What is written is read back the same.

use crate::wire::decode::Decoder;
use crate::wire::error::AmqpError;
use crate::wire::frame::Frame;
use crate::wire::performative::*;
use crate::wire::value::tests::any_value;
use bytes::BytesMut;
use proptest::option;
use proptest::prelude::*;

fn any_error() -> impl Strategy<Value = Option<AmqpError>> {
    let error = ("[a-z:-]{0,40}", ".{0,300}").prop_map(|(condition, description)| AmqpError {
        condition: condition.into(),
        description,
    });
    option::of(error)
}

fn any_role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Sender), Just(Role::Receiver)]
}

prop_compose! {
    fn any_open()(
        container_id in ".{0,20}",
        hostname in option::of(".{0,300}"),
        (max_frame_size, channel_max, idle_time_out) in any::<(u32, u16, Option<u32>)>(),
        (desired_capabilities, properties) in (any_value(), any_value()),
    ) -> Open {
        Open {
            container_id, hostname, max_frame_size, channel_max, idle_time_out, desired_capabilities, properties,
        }
    }
}

prop_compose! {
    fn any_begin()(
        remote_channel in any::<Option<u16>>(),
        (next_outgoing_id, incoming_window, outgoing_window, handle_max) in any::<(u32, u32, u32, u32)>(),
    ) -> Begin {
        Begin { remote_channel, next_outgoing_id, incoming_window, outgoing_window, handle_max }
    }
}

prop_compose! {
    fn any_attach()(
        name in ".{0,300}",
        role in any_role(),
        (handle, snd_settle_mode, rcv_settle_mode) in any::<(u32, u8, u8)>(),
        (initial_delivery_count, max_message_size) in any::<(Option<u32>, Option<u64>)>(),
        (source, target, properties) in (any_value(), any_value(), any_value()),
        (offered_capabilities, desired_capabilities) in (any_value(), any_value()),
    ) -> Attach {
        Attach {
            name, handle, role, snd_settle_mode, rcv_settle_mode, source, target, initial_delivery_count,
            max_message_size, offered_capabilities, desired_capabilities, properties,
        }
    }
}

prop_compose! {
    fn any_flow()(
        (next_incoming_id, incoming_window, next_outgoing_id) in any::<(Option<u32>, u32, u32)>(),
        (outgoing_window, handle, delivery_count) in any::<(u32, Option<u32>, Option<u32>)>(),
        (link_credit, available, drain, echo) in any::<(Option<u32>, Option<u32>, bool, bool)>(),
    ) -> Flow {
        Flow {
            next_incoming_id, incoming_window, next_outgoing_id, outgoing_window, handle, delivery_count,
            link_credit, available, drain, echo,
        }
    }
}

prop_compose! {
    fn any_transfer()(
        (handle, delivery_id, message_format) in any::<(u32, Option<u32>, Option<u32>)>(),
        (settled, more, aborted, tagged) in any::<(Option<bool>, bool, bool, bool)>(),
    ) -> Transfer<'static> {
        let delivery_tag = tagged.then_some(&b"tag"[..]);
        Transfer { handle, delivery_id, delivery_tag, message_format, settled, more, aborted }
    }
}

prop_compose! {
    fn any_disposition()(
        role in any_role(),
        (first, last, settled) in any::<(u32, Option<u32>, bool)>(),
        state in any_value(),
    ) -> Disposition {
        Disposition { role, first, last, settled, state }
    }
}

prop_compose! {
    fn any_detach()((handle, closed) in any::<(u32, bool)>(), error in any_error()) -> Detach {
        Detach { handle, closed, error }
    }
}

fn any_performative() -> impl Strategy<Value = Performative<'static>> {
    prop_oneof![
        any_open().prop_map(Performative::Open),
        any_begin().prop_map(Performative::Begin),
        any_attach()
            .prop_map(Box::new)
            .prop_map(Performative::Attach),
        any_flow().prop_map(Performative::Flow),
        any_transfer().prop_map(Performative::Transfer),
        any_disposition().prop_map(Performative::Disposition),
        any_detach().prop_map(Performative::Detach),
        any_error().prop_map(Performative::End),
        any_error().prop_map(Performative::Close),
    ]
}

proptest! {
    #[test]
    fn a_performative_comes_back_as_it_was_written(performative in any_performative(), channel: u16) {
        let mut out = BytesMut::new();
        performative.write(&mut out, channel);
        let frame = Frame::take(&mut out).unwrap().unwrap();
        prop_assert_eq!(frame.channel, channel);
        let mut decoder = Decoder::new(&frame.body);
        prop_assert_eq!(Performative::decode(&mut decoder), Ok(performative));
        prop_assert!(decoder.is_empty());
    }

    #[test]
    fn a_performative_cut_short_or_garbled_is_an_error_or_another_and_no_panic(
        performative in any_performative(),
        at: prop::sample::Index,
        byte: u8,
    ) {
        let mut out = BytesMut::new();
        performative.write(&mut out, 0);
        let frame = Frame::take(&mut out).unwrap().unwrap();
        let mut body = frame.body.to_vec();
        let at = at.index(body.len());
        prop_assert!(Performative::decode(&mut Decoder::new(&body[..at])).is_err());
        body[at] = byte;
        let _ = Performative::decode(&mut Decoder::new(&body));
    }
}

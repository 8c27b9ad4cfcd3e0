use super::*;

/// A list8 described by `code`.
fn performative(code: u8, fields: &[&[u8]]) -> Vec<u8> {
    let items = fields.concat();
    let size = u8::try_from(items.len() + 1).unwrap();
    let count = u8::try_from(fields.len()).unwrap();
    [&[0x00, 0x53, code, 0xC0, size, count], &items[..]].concat()
}

fn frame(channel: u16, body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + HEADER).unwrap();
    let [c0, c1] = channel.to_be_bytes();
    [&size.to_be_bytes(), &[2, 0, c0, c1][..], body].concat()
}

fn attach(name: &str, handle: u8) -> Vec<u8> {
    let name = [&[0xA1, u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
    frame(1, &performative(0x12, &[&name, &[0x52, handle]]))
}

fn transfer(handle: u8, more: bool, payload: &[u8]) -> Vec<u8> {
    let more: &[u8] = if more { &[0x41] } else { &[0x42] };
    let null = [0x40];
    let fields: [&[u8]; 6] = [&[0x52, handle], &[0x43], &null, &null, &null, more];
    frame(1, &[performative(0x14, &fields), payload.to_vec()].concat())
}

/// A data section whose payload has that many bytes.
fn data(len: usize) -> Vec<u8> {
    let size = u32::try_from(len).unwrap().to_be_bytes();
    [&[0x00, 0x53, 0x75, 0xB0], &size[..], &vec![0xD0; len]].concat()
}

/// A value section of nested lists.
fn nest(levels: usize) -> Vec<u8> {
    let mut bytes = vec![0x45];
    for _ in 0..levels {
        let size = u32::try_from(bytes.len() + 4).unwrap().to_be_bytes();
        bytes = [&[0xD0], &size[..], &[0, 0, 0, 1], &bytes].concat();
    }
    [&[0x00, 0x53, 0x77], &bytes[..]].concat()
}

fn check_all(frames: &mut Frames, input: &[Vec<u8>]) -> Result<(), Violation> {
    for frame in input {
        assert_eq!(frames.check(frame)?, Some(frame.len()));
    }
    Ok(())
}

#[test]
fn a_frame_is_let_through_once_it_is_whole() {
    let mut frames = Frames::default();
    let whole = transfer(0, false, &data(10));
    for end in 0..whole.len() {
        assert_eq!(frames.check(&whole[..end]), Ok(None));
    }
    let more = [&whole[..], &whole[..3]].concat();
    assert_eq!(frames.check(&more), Ok(Some(whole.len())));
    assert_eq!(frames.check(b"AMQP\x00\x01\x00\x00"), Ok(Some(8)));
    assert_eq!(frames.check(&frame(0, b"")), Ok(Some(8)), "a heartbeat");
}

#[test]
fn a_nested_message_is_stopped_and_its_link_named() {
    let mut frames = Frames::default();
    let input = [
        attach("good", 0),
        attach("bad", 1),
        transfer(0, false, &data(9)),
    ];
    assert_eq!(check_all(&mut frames, &input), Ok(()));
    let violation = frames.check(&transfer(1, false, &nest(4000))).unwrap_err();
    assert_eq!(violation.link.as_deref(), Some("bad"));
    assert!(violation.to_string().contains("deeper than 64"));
}

#[test]
fn a_nested_message_is_stopped_at_its_last_frame() {
    let mut frames = Frames::default();
    let message = nest(100);
    let (first, last) = message.split_at(300);
    let input = [attach("l", 0), transfer(0, true, first)];
    assert_eq!(check_all(&mut frames, &input), Ok(()));
    let violation = frames.check(&transfer(0, false, last)).unwrap_err();
    assert_eq!(violation.link.as_deref(), Some("l"));
}

#[test]
fn a_performative_that_nests_is_stopped() {
    let mut frames = Frames::default();
    let body = performative(0x10, &[&nest(20)]);
    assert_eq!(frames.check(&frame(0, &body)), Ok(Some(body.len() + 8)));
    let deep = nest(4000);
    let size = u32::try_from(deep.len() + 4).unwrap().to_be_bytes();
    let body = [&[0x00, 0x53, 0x10, 0xD0], &size[..], &[0, 0, 0, 1], &deep].concat();
    let violation = frames.check(&frame(0, &body)).unwrap_err();
    assert_eq!(violation.link, None);
}

#[test]
fn messages_that_are_not_complete_are_bounded_and_forgotten_with_their_link() {
    let mut frames = Frames::default();
    let part = data(60_000);
    let endless = transfer(0, true, &part);
    let fit = MAX_MESSAGE / part.len();
    assert_eq!(check_all(&mut frames, &vec![endless.clone(); fit]), Ok(()));
    assert!(
        frames
            .check(&endless)
            .unwrap_err()
            .to_string()
            .contains("too large")
    );

    let mut frames = Frames::default();
    let detach = frame(1, &performative(0x16, &[&[0x43]]));
    let end = frame(1, &performative(0x17, &[]));
    for _ in 0..5 {
        assert_eq!(check_all(&mut frames, &vec![endless.clone(); fit]), Ok(()));
        assert_eq!(
            check_all(&mut frames, std::slice::from_ref(&detach)),
            Ok(())
        );
        assert_eq!(check_all(&mut frames, &vec![endless.clone(); fit]), Ok(()));
        assert_eq!(check_all(&mut frames, std::slice::from_ref(&end)), Ok(()));
    }
}

#[test]
fn frames_that_are_too_large_or_misshapen_are_stopped_at_their_header() {
    for header in [
        [0xFF, 0xFF, 0xFF, 0xFF, 2, 0, 0, 0],
        [0, 1, 0, 1, 2, 0, 0, 0],
        [0, 0, 0, 9, 1, 0, 0, 0],
        [0, 0, 0, 9, 3, 0, 0, 0],
        [0, 0, 0, 0, 2, 0, 0, 0],
    ] {
        assert!(Frames::default().check(&header).is_err(), "{header:?}");
    }
}

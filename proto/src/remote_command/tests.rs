use super::*;

#[test]
fn frames_round_trip_with_their_channel_byte() {
    for (channel, byte) in [
        (Channel::Stdin, 0),
        (Channel::Stdout, 1),
        (Channel::Stderr, 2),
        (Channel::Error, 3),
        (Channel::Resize, 4),
    ] {
        let frame = Frame::Data(channel, Bytes::from_static(b"data"));
        let wire = frame.encode();
        assert_eq!(wire.as_ref(), [&[byte][..], b"data"].concat());
        assert_eq!(Frame::decode(Version::V4, &wire), Ok(frame));
    }
}

#[test]
fn an_empty_message_of_a_channel_is_data_and_no_end() {
    let frame = Frame::decode(Version::V5, &Bytes::from_static(&[0]));
    assert_eq!(frame, Ok(Frame::Data(Channel::Stdin, Bytes::new())));
}

#[test]
fn close_exists_in_version_5_alone() {
    let wire = Frame::Close(Channel::Stdin).encode();
    assert_eq!(wire.as_ref(), [255, 0]);
    assert_eq!(Frame::decode(Version::V5, &wire), Ok(Frame::Close(Channel::Stdin)));
    assert_eq!(Frame::decode(Version::V4, &wire), Err(FrameError::CloseInV4));
}

#[test]
fn malformed_messages_are_refused() {
    let decode = |bytes: &'static [u8]| Frame::decode(Version::V5, &Bytes::from_static(bytes));
    assert_eq!(decode(&[]), Err(FrameError::Empty));
    assert_eq!(decode(&[5, 1]), Err(FrameError::UnknownChannel(5)));
    assert_eq!(decode(&[255]), Err(FrameError::MalformedClose(1)));
    assert_eq!(decode(&[255, 0, 0]), Err(FrameError::MalformedClose(3)));
    assert_eq!(decode(&[255, 9]), Err(FrameError::UnknownChannel(9)));
}

#[test]
fn the_best_offered_version_wins() {
    assert_eq!(Version::negotiate(["v4.channel.k8s.io", " v5.channel.k8s.io"]), Some(Version::V5));
    assert_eq!(Version::negotiate(["channel.k8s.io", "v4.channel.k8s.io"]), Some(Version::V4));
    assert_eq!(Version::negotiate(["SPDY/3.1"]), None);
}

#[test]
fn exit_codes_travel_as_status_causes() {
    let json = ExitStatus::NonZero(42).to_json();
    assert_eq!(
        String::from_utf8_lossy(&json),
        r#"{"metadata":{},"status":"Failure","message":"command terminated with non-zero exit code: command terminated with exit code 42","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"42"}]}}"#
    );
    assert_eq!(ExitStatus::from_json(&json), ExitStatus::NonZero(42));
    assert_eq!(ExitStatus::Success.to_json(), br#"{"metadata":{},"status":"Success"}"#);
    assert_eq!(ExitStatus::from_json(br#"{"metadata":{},"status":"Success"}"#), ExitStatus::Success);
    let error = ExitStatus::Error("no such container".into());
    assert_eq!(ExitStatus::from_json(&error.to_json()), error);
    assert_eq!(ExitStatus::from_json(b"plain text"), ExitStatus::Error("plain text".into()));
}

#[test]
fn resize_is_upstreams_json() {
    let size: TerminalSize = serde_json::from_slice(br#"{"Width":120,"Height":40}"#).unwrap();
    assert_eq!(size, TerminalSize { width: 120, height: 40 });
}

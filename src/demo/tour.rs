//! What the demo says of itself: where things are, how to get in, what to try.

use crate::say;

use super::arrangement::EDGES;
use super::fleet::{ADMINISTRATOR, Fleet};

/// Says it. The lines `server listening on …`, `edge … rtmp …`, `edge … http …` and `ready` are those of the
/// other parts of the program.
pub(crate) fn tell(fleet: &Fleet) {
    let (doors, origin) = (&fleet.doors, &fleet.origin);
    let console = fleet.console.origin().ascii_serialization();
    say::line(format_args!("server listening on {console}"));
    for (agent, (rtmp, http)) in fleet.agents.iter().zip(doors.rtmp.iter().zip(doors.http)) {
        say::line(format_args!("edge {} rtmp rtmp://{rtmp}", agent.id()));
        say::line(format_args!("edge {} http http://{http}", agent.id()));
    }
    let [first, second] = doors.rtmp;
    say::line(format_args!(
        "
The demo of Weir: one console, two edges, and an origin that only the edges need to reach.

  console   {console}
  sign in   {ADMINISTRATOR}  {password}
  {one}    rtmp://{first}  http://{first_http}
  {two}    rtmp://{second}  http://{second_http}
  origin    rtmp://{origin_rtmp}  http://{origin_http}
  data      {data}

Try, in another terminal (any RTMP player does: ffplay, mpv, VLC):

  play through an edge
    ffplay rtmp://{first}/live/clip
  play by the wrapped address: the client names the edge and the origin
    ffplay 'rtmp://{first}/?rtmp://{origin_rtmp}/live/clip'
  be refused by a rule
    ffplay rtmp://{first}/live/backstage

The console shows each of them under Sessions, with the rule that decided. Then:

  move this machine to {two}: Assignments, choose `this-machine`, Move to…
  fetch a file twice, the second time from the cache
    curl -sD - -o /dev/null http://{first_http}/vod/clip.flv
  publish as `studio-encoder`, and play it from the other edge
    ffmpeg -re -f lavfi -i testsrc -f flv 'rtmp://studio-encoder:{encoder}@{first}/stage/show'
    ffplay 'rtmp://studio-encoder:{encoder}@{second}/stage/show'

Ctrl-C ends it.
",
        password = fleet.password,
        one = EDGES[0],
        two = EDGES[1],
        first_http = doors.http[0],
        second_http = doors.http[1],
        origin_rtmp = origin.rtmp,
        origin_http = origin.http,
        data = fleet.data,
        encoder = fleet.encoder_password,
    ));
    say::line("ready");
}

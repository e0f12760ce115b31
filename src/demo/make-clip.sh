#!/usr/bin/env bash
# Makes clip.flv, the stream of the demo: 12 s, 640x360, 30 frames a second, H.264 (main) and AAC, a keyframe
# each second. All of it is generated here: nothing is taken from anywhere.
#
# It loops without a seam when each round's timestamps are 12,000 ms after the last one's: every motion has a
# period that divides 12 s, so the frame after the last is the first, and the 517 packets of sound (23.2 ms
# each) end 4 ms after the 360 frames of video do.
#
# Needs ffmpeg with libx264 and drawtext, and the DejaVu fonts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

mono=/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf
sans=/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf

# Water that flows over a weir: three waves of light. `w` is one turn in 12 s; each wave runs a whole number
# of turns.
w="2*PI*T/12"
wave="sin(X/71+3*$w)+sin(Y/43-X/190-4*$w)+sin((X+Y)/97+5*$w)"
luma="70+22*($wave)+40*pow(max(0\,sin(Y/9+X/160-24*$w+($wave)))\,6)*(Y/H)"
blue="150+16*sin(X/200+$w)+8*($wave)"
red="104+14*sin(Y/120-2*$w)-6*($wave)"

# A chord a second over four bars of three: A minor, F, C, G. The notes fade within their second, so that
# the last ends before the first begins again.
melody() {
    local bar="floor(mod(t\,12)/3)"
    local step="mod(floor(t)\,3)"
    local base="if(eq($bar\,0)\,220\,if(eq($bar\,1)\,174.614\,if(eq($bar\,2)\,130.813\,195.998)))"
    local third="if(eq($bar\,0)\,1.189207\,1.259921)"
    local ratio="if(eq($step\,0)\,2\,if(eq($step\,1)\,2*($third)\,2*1.498307))"
    local within="mod(t\,1)"
    local fade="min(1\,$within*40)*exp(-3.2*$within)*min(1\,(1-$within)*25)"
    local bass="min(1\,mod(t\,3)*20)*min(1\,(3-mod(t\,3))*8)"
    # Each note begins anew at phase 0: `within`, not `t`, is what is multiplied.
    echo "0.28*$fade*(sin(2*PI*($base)*($ratio)*$within)+0.3*sin(4*PI*($base)*($ratio)*$within))+0.12*$bass*sin(2*PI*($base)/2*mod(t\,3))"
}
tone="$(melody)"

ffmpeg -hide_banner -loglevel error -y \
    -f lavfi -i "color=c=black:s=320x180:r=30:d=12,format=yuv420p,geq=lum='$luma':cb='$blue':cr='$red',scale=640:360:flags=bicubic" \
    -f lavfi -i "aevalsrc=exprs='$tone|$tone':s=44100:d=12" \
    -filter_complex "[0:v]
        drawbox=x=0:y=ih-8:w=iw:h=8:color=white@0.18:t=fill,
        drawtext=fontfile=$sans:text='weir':fontsize=64:fontcolor=white:x=40:y=40:shadowcolor=black@0.35:shadowx=2:shadowy=2,
        drawtext=fontfile=$mono:text='%{eif\\:mod(n\\,360)/30\\:d\\:2}.%{eif\\:mod(n\\,30)\\:d\\:2}':fontsize=44:fontcolor=white:x=w-tw-40:y=48:shadowcolor=black@0.35:shadowx=2:shadowy=2,
        drawtext=fontfile=$mono:text='●':fontsize=40:fontcolor=0xff5a4f:x='20+(w-60)*mod(t\\,12)/12':y='h-96-abs(sin(PI*t))*90':shadowcolor=black@0.3:shadowx=2:shadowy=2
        [v]" \
    -map '[v]' -map 1:a -map_metadata -1 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact \
    -c:v libx264 -profile:v main -preset veryslow -tune zerolatency -pix_fmt yuv420p \
    -b:v 420k -maxrate 520k -bufsize 520k -g 30 -keyint_min 30 -sc_threshold 0 -bf 0 -threads 1 \
    -c:a aac -b:a 64k -ac 2 -ar 44100 -frames:a 517 \
    -t 12 -flvflags no_duration_filesize -f flv clip.flv

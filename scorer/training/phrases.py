"""Invented sentences whose mood nobody would argue about: negations, directions, two coins, slang, nothing at all.

Labelled posts hold too few of them ("not a scam", "bears are winning") for a model to learn what turns their meaning. Each frame is
filled with words of a list; a word that turns good into bad changes the list, not the frame.
"""

import random

COUNT = 16_000
COINS = ("bitcoin Bitcoin BTC btc $BTC #bitcoin #BTC ethereum ETH $ETH eth dogecoin DOGE $DOGE litecoin LTC $LTC XRP $XRP ripple "
         "solana $SOL cardano $ADA monero XMR dash shib $SHIB avalanche polkadot chainlink").split()
SYMBOLS = {"bitcoin": "BTC", "ethereum": "ETH", "eth": "ETH", "dogecoin": "DOGE", "litecoin": "LTC", "ripple": "XRP", "solana": "SOL",
           "cardano": "ADA", "monero": "XMR", "shib": "SHIB", "avalanche": "AVAX", "polkadot": "DOT", "chainlink": "LINK"}

GOOD_IS = """great|amazing|awesome|solid|strong|legit|undervalued|bullish|the future|unstoppable|a winner|a gem|sound money|the best|
a good buy|a good investment|a safe bet|a bargain|here to stay|alive|on fire|looking good|looking strong|looking bullish|so cheap right now|
the king|the real deal|worth holding|a great project|ready to fly|going to the moon|going parabolic|going up|going higher|back|in a bull market|
trustworthy|safe|useful|a store of value|oversold|ready for a breakout|the way out|a must have|crushing it|about to explode|ripping""".replace("\n", "").split("|")
BAD_IS = """a scam|dead|a ponzi|a ponzi scheme|a bubble|worthless|finished|overvalued|overpriced|garbage|trash|a joke|a fraud|doomed|bearish|
a rug pull|going to zero|a shitcoin|toast|broken|weak|a waste of money|a waste of time|useless|done|a disaster|dying|crashing|dumping|tanking|
in a bear market|falling apart|going down|going lower|a trap|a pyramid scheme|gambling|terrible|awful|horrible|risky garbage|overbought|over|
a pump and dump|controlled by whales|for criminals|too slow|collapsing|in trouble|a bad investment|a bad bet|unsafe|rekt|evil|boring garbage|
looking weak|looking bad|looking bearish|bleeding|stupid|a mess|hopeless|fake|tulip mania|exit liquidity""".replace("\n", "").split("|")
GOOD_DOES = """moon|fly|go up|pump|recover|win|go higher|bounce|rally|hit a new high|succeed|explode|make you rich|take over|come back|outperform|
break out|survive|double from here|rise""".replace("\n", "").split("|")
BAD_DOES = """crash|die|fail|go to zero|dump|collapse|go down|drop|disappear|lose|tank|be banned|disappoint|go lower|bleed|rug you|let you down|
fall|ruin you|get hacked""".replace("\n", "").split("|")

# {is} and {does} are turned by a negation; the sign says what the frame makes of a good word.
FRAMES_IS = """+X is {is}|+X is {is}!|+imo X is {is}|+I think X is {is}|+X is so {is}|+tbh X is {is}|+X really is {is}|+honestly X is {is}|
+X looks like it is {is}|+X was always {is}|+everyone knows X is {is}|+this shows X is {is}|+guys X is {is}|+just admit it, X is {is}|
-X is not {is}|-X isn't {is}|-X is not {is} at all|-X is no longer {is}|-X was never {is}|-X ain't {is}|-X is hardly {is}|-X is not {is}, wake up|
-I don't think X is {is}|-I do not believe X is {is}|-no, X is not {is}|-stop saying X is {is}|-X is far from {is}|-X is anything but {is}|
-don't tell me X is {is}|-nobody thinks X is {is} anymore|-it's not true that X is {is}|-people who say X is {is} don't get it|
-who still thinks X is {is}? lol|-X isn't {is} and never was|-sorry but X is not {is}|-they were wrong, X is not {is}|
-how can anyone say X is {is}?|-still think X is {is}? look again|-not sure why people call X {is}, it is not""".replace("\n", "").split("|")
FRAMES_DOES = """+X will {does}|+X is going to {does}|+X is about to {does}|+X will {does} soon|+I expect X to {does}|+watch X {does}|+X is gonna {does}|
+X can only {does}|+X is set to {does}|+sooner or later X will {does}|
-X will never {does}|-X won't {does}|-X will not {does}|-X is not going to {does}|-X can't {does}|-X cannot {does}|-X isn't going to {does}|
-no way X will {does}|-X ain't gonna {does}|-I don't see X {does}ing|-X refuses to {does}|-don't expect X to {does}|-X didn't {does}|
-there is no chance X will {does}""".replace("\n", "").split("|")

# Sentences of a mood, X the coin asked about.
GOOD = """don't sell X|don't sell your X|never sell your X|do not sell X now|not selling my X|I'm not selling any X|no reason to sell X|not worried about X|
don't bet against X|never bet against X|nothing can stop X|you can't stop X|nobody can stop X|you can't kill X|X can't be stopped|can't lose with X|
no doubt about X|X never disappoints|X never fails to impress|nothing beats X|can't go wrong with X|X has no competition|no better time to buy X|
it's not too late to buy X|X isn't going anywhere, here to stay|they said X was dead, look at it now|who said X was dead?|X is dead? lol, no|
remember when they called X a scam|X bears are wrong again|X bears got rekt|bears are getting destroyed on X|bears are trapped, X flying|
X bulls are back|bulls are in control of X|bulls are winning, X up|bulls won today, X|shorts are getting squeezed, X|X shorts rekt|
X to the moon|X moon soon|wagmi X|wagmi X fam|X we are all gonna make it|diamond hands on X|💎🙌 X|holding X with diamond hands|hodl X|HODL your X|
still hodling X|LFG X|X lfg!!|send it X|X wen moon? soon|few understand X|have fun staying poor, X|X probably nothing 👀|stack sats, X|
stacking X every week|buy the dip X|buying the dip on X|bought the dip, X|loading up on X|accumulating X|added more X today|all in on X|longing X here|
long X|opened a long on X|X calls printing|just bought more X|finally bought X, so happy|love X|I love X|X made my day|thank you X|X changed my life|
X up 80% off the lows|X is up 12% today!|X up 5%, nice|X up big|X back above 10k|X reclaimed 20k|X broke resistance|X breaking out|X breakout incoming|
X bouncing hard|X higher lows, looks good|X new ATH|X new all time high|X ATH incoming|X double bottom, time to go up|golden cross on X|X held support|
X target raised|raised my X target|X 100k soon|X 100k by end of year|X will hit 50k|X pumping|X mooning|X green candles|X on a tear|X 🚀🚀🚀|X 📈|X 🔥|X 💪|
X never looked better|fiat is trash, X fixes this|banks are a scam, X is the way out|X fixes this|your dollars are worthless, get X|
inflation is out of control, good thing I have X|X is better than gold|gold is dead, X won|X > gold|I trust X more than banks|in X we trust|
FUD about X is laughable|the X FUD isn't working|ignore the FUD, X is fine|X survived worse|X always comes back|the dip is over, X recovering|
X bottom is in|the worst is over for X|sold too early, X keeps going|should have bought more X|wish I had bought X earlier|
regret selling my X|glad I didn't sell my X|weak hands sold X, I bought|paper hands will regret selling X|no coiners crying, X rising|
X adoption is growing|can't wait for X to run|can't believe how well X is doing|couldn't be happier with X|X not slowing down|not bad X, not bad at all""".replace("\n", "").split("|")
BAD = """don't buy X|do not buy X|never buy X|not buying X|I would not touch X|stay away from X|avoid X|no reason to buy X|nobody needs X|nobody wants X|
no one uses X|nobody uses X|I don't trust X|can't trust X|don't fall for X|don't believe the X hype|X has no value|X has no future|X has no use case|
no future for X|there is nothing behind X|X is backed by nothing|X never recovers|X not looking good|X doesn't look good|not good for X|
X isn't safe|X does not work|X just doesn't work|X fails again|can't stand X|I hate X|tired of X|sick of X|X is killing me|
bears are winning, X|X bears in control|bears own X now|bears are back, X|the bears were right about X|X bulls got rekt|X bulls are trapped|
bulls are losing, X|bulls exhausted, X rolling over|bull trap on X|X bull trap|longs are getting liquidated, X|X longs rekt|
ngmi X|X holders ngmi|if you hold X you are ngmi|got rekt on X|rekt by X|X rugged|X rug incoming|rug pull X|X bagholders|X bag holders in denial|
X holders coping|X copium|pure copium X|X hopium|exit liquidity X|X to zero|X going to 0|X is going back to 2k|X back to 3k|X back to single digits|
X heading back to 1000|X will see 5k again|X down 30% from the high|X down 12% today|X is down bad|X down again|X falling off a cliff|
X lost support|X broke support|X breaking down|X rejected again|X rejected at resistance|X lower highs, looks bad|death cross on X|X head and shoulders, going down|
X target cut|cut my X target|X 1k incoming|X will lose 90%|X dumping|X tanking|X bleeding|X nuked|X red everywhere|X 📉|X 💀|X 🤡|X 😭|
sold all my X|sold my X, too risky|selling all my X|dumped my X|time to sell X|sell X now|get out of X|X sell sell sell|shorting X|short X|opened a short on X|
X puts printing|taking profit, X top is in|X top is in|X has topped|the X bubble popped|X bubble bursting|the party is over for X|X game over|rip X|RIP X|
lost everything on X|lost so much money on X|X ruined me|X stole my money|hacked, my X is gone|X is the worst|worst investment ever, X|regret buying X|
should have sold my X|wish I had never bought X|gold is better than X|X is worse than gold|dollars are better than X|I trust banks more than X|
cash is king, X is trash|X dead cat bounce|X fees are insane|X is so slow|X wastes energy|X is for criminals|ban X|X FUD is real|
whales dumping X|X insiders are dumping|fake pump on X|X manipulation is disgusting|no support left for X|X no bounce, no buyers|X not recovering|
X isn't coming back|X couldn't hold 10k|X can't hold support|X can't break resistance|X never goes up|X won't make you rich|weak X, so weak""".replace("\n", "").split("|")
NEUTRAL = """X|X?|X X|X!|X ...|$5 X|X price|X price today|X: $4,012.33|1 X = $42,000|X 24h: 0.2%|X now at 19,500|what is X?|what is X|how do I buy X?|
where can I buy X?|anyone here use X?|who is holding X?|who accepts X?|how does X mining work?|what wallet do you use for X?|X conference on Tuesday|
X meetup tonight|X explained|X vs gold|a short history of X|X podcast is out|new article about X|new post on X|X trading volume last week|X block 540,210 mined|
is X going up or down?|X up or down?|buy or sell X?|what do you think about X?|thoughts on X?|should I buy X?|should I sell X?|is X a scam?|is X dead?|
will X go up?|will X crash?|is now a good time to buy X?|gm X|good morning X|gm|talking about X at 5|X at work|reading about X|X news|X chart|X sideways|
X is moving sideways|waiting on X|watching X|X let's see|X wallet update 2.1|how many X do you have?|when did you first hear of X?|X tax question|
paid for lunch with X|X ATM at the mall|I wrote a paper about X|my teacher asked about X|X code release v22.0|X difficulty adjustment on Friday|
X either goes up or down|X could go either way|X in a range|no idea what X will do|not sure about X|I don't own any X|neither bullish nor bearish on X|
X halving explained|X docs|the X whitepaper|does anyone know how X works?|looking for X developers|X nodes|dyor X|nfa X|
X and Y prices today|X and Y news|prices of X and Y|X vs Y|X or Y?|X, Y and others|new pairs: X and Y|we list X and Y|X Y chart|both X and Y|X 👀|X 🤔|
watching X 👀|X and Y conference|what is better, X or Y?|should I buy X or Y?|X and Y explained|X or Y, what do you hold?|how do I change X to Y?""".replace("\n", "").split("|")

# Sentences that name no coin.
BARE_GOOD = """not a scam|not dead|not dead yet|will never crash|never going to crash|don't sell|don't sell now|do not sell|never selling|not selling|
bulls are back|the bulls are back|bulls are winning|bulls in control|bears are crying|bears got rekt|shorts are rekt|wagmi|we are all gonna make it|
diamond hands|to the moon|all time high|new ath|up only|up 80% off the lows|buy the dip|buying more|hodl|not worried|no reason to sell|undervalued|
bottom is in|breakout|send it|lfg|fud is fake|it is not a bubble|no crash coming""".replace("\n", "").split("|")
BARE_BAD = """bears are winning|the bears are winning|bears are back|bears in control|bulls are losing|bulls got rekt|bulls are dead|ngmi|not gonna make it|
rekt|got rekt|rug pull|it is a rug|rugged|back to 2k|going back to 1000|target cut|price target cut|dead cat bounce|top is in|bubble|total scam|
don't buy|do not buy|never buy this|not buying|sell now|sell everything|going to zero|lost everything|will never recover|no bounce|never goes up|
shitcoin|exit liquidity|bagholders|down bad|no future|it is dead|not safe|can't hold support""".replace("\n", "").split("|")

# What coins are held against that is none.
THINGS = "gold gold silver dollars fiat fiat cash stocks banks bonds housing".split()

# X is asked about, Y is another coin or thing: good for X, bad for Y; the other way round with NEVER.
BEATS = """will flip|will flip|will flip|will replace|will replace|will overtake|is going to flip|flips|is flipping|is about to flip|will surpass|will replace|is replacing|is going to replace|
will kill|is killing|is eating|beats|destroys|crushes|will crush|will leave behind|outperforms|will outperform|makes a joke of|will bury|
is better than|is way better than|is so much better than|is faster than|is cheaper than|is safer than|is stronger than|is smarter than|
is more useful than|is greener than|is more scarce than|is a better investment than|is a better store of value than|has better tech than|>|>>|
is winning against|is ahead of|does everything better than|has more future than|is worth more than|is taking over from|will be bigger than""".replace("\n", "").split("|")
NEVER = """will never flip|won't flip|can't flip|is not going to flip|will never replace|won't replace|can't replace|cannot replace|will not overtake|
will never beat|can't beat|won't kill|is not better than|isn't better than|is not faster than|isn't safer than|is no match for|can't compete with|
will never be as good as|has nothing on|is nothing against|is weaker than|is slower than|is worse than|is behind|loses against|is losing to|
is bleeding against|is a poor copy of|wishes it was""".replace("\n", "").split("|")
FRAMES_BEATS = """X {beats} Y|X {beats} Y|X {beats} Y|I think X {beats} Y|everyone knows X {beats} Y|sooner or later X {beats} Y|no doubt, X {beats} Y|
mark my words: X {beats} Y|imo X {beats} Y|told you X {beats} Y|it is clear that X {beats} Y|one day you will see, X {beats} Y|
why X {beats} Y|X {beats} Y, simple as that""".replace("\n", "").split("|")
SWAPS = """sold my Y for X|sold all my Y for X|sold some Y for X|selling my Y for X|selling all my Y to buy X|swap your Y for X|swapped my Y for X|
swapped all my Y to X|traded my Y for X|exchanged my Y into X|moving from Y to X|moved from Y to X|moving all my Y into X|moved out of Y into X|
rotating from Y into X|rotating out of Y and into X|dumped my Y for X|dumped Y, bought X|dump Y and get X|dump your Y and buy X|leaving Y for X|
switched from Y to X|sell Y, buy X|sell Y and buy X|get out of Y and into X|turned my Y into X|forget Y, buy X|buy X instead of Y|
buying X instead of Y|holding X instead of Y|X instead of Y|X over Y|X over Y any day|X not Y|X, not Y|long X short Y""".replace("\n", "").split("|")
PREFERS = """I trust X more than Y|I trust X, not Y|I trust X not Y|I would rather hold X than Y|I'd rather have X than Y|I prefer X to Y|
I like X more than Y|I believe in X, not in Y|give me X over Y|better X than Y|X makes Y look like a joke|Y could never do what X does|
X is pumping while Y dumps|X up, Y down|X rises while Y falls|X is the real Y|X has utility, Y has nothing|unlike Y, X works|Y holders should have bought X|
Y holders are moving to X|Y is the past, X is the future|X is what Y should have been|Y is dead, long live X|Y is dead, X won|Y lost, X won|
Y is slow and expensive, X is fast|when Y fails, X will be there|X saves you from Y|Y is trash, X fixes this|Y is broken, X fixes it""".replace("\n", "").split("|")
CONTRASTS = """Y is {bad}, X is {good}|Y is {bad} but X is {good}|X is {good}, Y is {bad}|X is {good} and Y is {bad}|Y is {bad}, X is the only real one|
Y is {bad}, X is the only one that matters|Y is {bad}, I only hold X|Y is {bad}, get X|Y is {bad}, at least X is {good}|unlike Y, X is {good}|
while Y is {bad}, X is {good}|if Y is {bad} then X is {good}|everything but X is {bad}""".replace("\n", "").split("|")

# Bulls that win are good, and bears that lose.
WINS = """are winning|are back|are back in town|are back in control|are back in charge|are in control|are in full control|are in charge|are taking over|
have the upper hand|won this round|won|own this market|are strong today|keep pushing|are charging|came back|rule|run the show|are having a party|
are feasting|are happy today|took over|are stepping in|have control|are eating well|show strength|are on top|are unstoppable|defended the level""".replace("\n", "").split("|")
LOSES = """got rekt|are rekt|are trapped|got trapped|are losing|lost|are crying|are on the run|are exhausted|are dead|gave up|got squeezed|
are getting destroyed|are getting liquidated|are toast|have left|are in denial|are nowhere to be seen|lost control|are losing control|capitulated|
are done|are weak|are in trouble|are wrong again|are running out of steam|failed again|got slaughtered|are hiding""".replace("\n", "").split("|")
FRAMES_SIDES = """{side} {what}|{side} {what}|the {side} {what}|X {side} {what}|X {side} {what}|the X {side} {what}|{side} {what} on X|{side} {what}, X|
X: {side} {what}|looks like the {side} {what}, X|seems that {side} {what} in X|{side} of X {what}|it is over, X {side} {what}|
{side} {what} and X shows it|this week the {side} {what}""".replace("\n", "").split("|")

# Where a price goes: good, and bad.
UPWARDS = """X breaks out|X is breaking out, next stop N|X breaks out, next stop N|X broke N, next stop N|X next stop N|X on its way to N|
X headed to N|X heading for N|N is next for X|X broke through N|X smashed through N|X just broke above N|X back above N|X is back over N|X reclaimed N|
X reclaims N|X held N, going higher|X bounced from N|X up N% from the bottom|X up N % off the lows|X is N % above its low|X recovered N %|X doubled since N|
X N by christmas|X N by the end of the year|X N soon|X N incoming|X price target raised to N|X target raised to N|analyst raises X target to N|my X target is up to N now|
X breaks resistance at N|X flips N into support|X at new highs|X highest since N|X with another green day|X gaining strength|X is running|X leg up started""".replace("\n", "").split("|")
DOWNWARDS = """X breaks down|X is breaking down, next stop N|X broke down, N next|X fell below N, next stop N|X on its way down to N|
X headed back to N|X going back to N|X back to N|back to N for X|X will go back to N|X returns to N|X lost N|X loses N|X lost the N level|
X just broke below N|X back below N|X is back under N|X couldn't hold N, going lower|X rejected at N|X down N% from the top|X down N % off the highs|
X is N % below its high|X gave back N %|X halved since N|X N is coming, get out|X will see N again|X price target cut to N|X target cut to N|X target cut|
analyst cuts X target to N|lowered my X target to N|X breaks support at N|X flips N into resistance|X at new lows|X lowest since N|
X with another red day|X losing strength|X is falling|X leg down started|X slides to N|X sinks below N""".replace("\n", "").split("|")

NOTHING_WRONG = """there is nothing wrong with X|nothing wrong with X|nothing is wrong with X|I see nothing wrong with X|no problem with X|
I have no problem with X|X has no problems|nothing bad about X|there is nothing bad about X|I can't find anything wrong with X|X did nothing wrong|
nothing to fear with X|no need to worry about X|no need to panic about X|don't panic about X|don't worry about X|X is far from dead|X is far from over|
X is far from finished|X is anything but dead|X is nowhere near dead|not the end of X|this is not the end of X|X won't die|X refuses to die""".replace("\n", "").split("|")

BEFORE = ["", "", "", "", "", "", "lol ", "tbh ", "imo ", "guys, ", "yes! ", "so ", "ok ", "well, ", "@user ", "RT @user: ", "haha ", "again: ", "reminder: ",
          "unpopular opinion: ", "hot take: ", "seriously, ", "wow, ", "look: "]
AFTER = ["", "", "", "", "", "", "!", "!!", ".", "...", " lol", " imo", " tbh", " today", " now", " right now", " #crypto", " https://example.org/a", " just saying",
         " period", " folks", " my friend", " this week", " 😂", " smh", " for real", " @user", " in my opinion", " again", " #cryptocurrency"]


def sentences(seed=1):
    """COUNT triples of symbol, label (0 negative, 1 neutral, 2 positive) and text."""
    source = random.Random(seed)
    made = []
    while len(made) < COUNT:
        made += _one(source)
    return made[:COUNT]


def _one(source):
    x, y = _coins(source)
    draw = source.random()
    if draw < 0.16:
        sign, text = _framed(source, FRAMES_IS, "{is}", GOOD_IS, BAD_IS)
    elif draw < 0.24:
        sign, text = _framed(source, FRAMES_DOES, "{does}", GOOD_DOES, BAD_DOES)
    elif draw < 0.44:
        sign = source.choice((1, -1))
        text = source.choice(GOOD if sign > 0 else BAD)
    elif draw < 0.52:
        sign, text = _sides(source)
    elif draw < 0.59:
        sign = source.choice((1, -1))
        text = source.choice(UPWARDS if sign > 0 else DOWNWARDS)
    elif draw < 0.61:
        sign, text = 1, source.choice(NOTHING_WRONG)
    elif draw < 0.73:
        return [(_symbol(x), 1, _dress(source, _fill(source, source.choice(NEUTRAL), x, y)))]
    elif draw < 0.86:
        sign, text = _rivals(source)
        text = _dress(source, _fill(source, text, x, y))
        return [(_symbol(x), 1 + sign, text), (_symbol(y), 1 - sign, text)]
    elif draw < 0.92:
        sign, text = _rivals(source)
        thing, first = source.choice(THINGS), source.random() < 0.5
        return [(_symbol(x), 1 + (sign if first else -sign), _dress(source, _fill(source, text, *((x, thing) if first else (thing, x)))))]
    else:
        return [(_symbol(x), *_bare(source))]
    return [(_symbol(x), 1 + sign, _dress(source, _fill(source, text, x, y)))]


def _sides(source):
    """Sign and text of a sentence about bulls or bears."""
    bulls, win = source.random() < 0.5, source.random() < 0.5
    text = source.choice(FRAMES_SIDES).replace("{side}", "bulls" if bulls else "bears").replace("{what}", source.choice(WINS if win else LOSES))
    return 1 if bulls == win else -1, text


def _rivals(source):
    """What a sentence says of X, and the sentence, which says the opposite of Y."""
    draw = source.random()
    if draw < 0.32:
        return 1, source.choice(FRAMES_BEATS).replace("{beats}", source.choice(BEATS))
    if draw < 0.50:
        return -1, source.choice(FRAMES_BEATS).replace("{beats}", source.choice(NEVER))
    if draw < 0.72:
        return 1, source.choice(SWAPS)
    if draw < 0.86:
        return 1, source.choice(PREFERS)
    return 1, source.choice(CONTRASTS).replace("{bad}", source.choice(BAD_IS)).replace("{good}", source.choice(GOOD_IS))


def _bare(source):
    """Label and text of a sentence that names no coin."""
    sign = source.choice((1, -1))
    draw = source.random()
    if draw < 0.4:
        return 1 + sign, _dress(source, source.choice(BARE_GOOD if sign > 0 else BARE_BAD))
    if draw < 0.6:
        sign, text = _sides(source)
        return 1 + sign, _dress(source, _fill(source, text.replace("X ", ""), "it", "it"))
    frames, slot, good, bad = source.choice(((FRAMES_IS, "{is}", GOOD_IS, BAD_IS), (FRAMES_DOES, "{does}", GOOD_DOES, BAD_DOES)))
    sign, text = _framed(source, frames, slot, good, bad)
    if text.startswith("X is ") and source.random() < 0.5:
        text = text[5:]
    elif text.startswith("X ") and source.random() < 0.5:
        text = text[2:]
    return 1 + sign, _dress(source, _fill(source, text, source.choice(("it", "this", "this coin")), "it"))


def _coins(source):
    while True:
        x, y = source.choice(COINS), source.choice(COINS)
        if _symbol(x) != _symbol(y):
            return x, y


def _symbol(coin):
    plain = coin.strip("$#")
    return SYMBOLS.get(plain.lower(), plain.upper())


def _fill(source, frame, x, y):
    """The frame with the coins X and Y, and a price or percentage for each N."""
    number = source.choice(("2k", "3k", "5k", "10k", "20k", "60k", "100k", "$1,000", "4000", "$20", "0.5", "80", "12", "$42,000"))
    marks = {"X": x, "Y": y, "N": number}
    words = frame.split(" ")
    for i, word in enumerate(words):
        bare = word.strip(".,!?:'s%")
        if bare in marks:
            words[i] = word.replace(bare, marks[bare], 1)
    return " ".join(words)


def _framed(source, frames, slot, good, bad):
    frame = source.choice(frames)
    sign = source.choice((1, -1))
    turned = 1 if frame[0] == "+" else -1
    return sign * turned, frame[1:].replace(slot + "ing", source.choice(["", "ever "]) + slot).replace(slot, source.choice(good if sign > 0 else bad))


def _dress(source, text):
    if source.random() < 0.1:
        text = text.upper()
    return source.choice(BEFORE) + text + source.choice(AFTER)

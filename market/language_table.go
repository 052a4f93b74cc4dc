package market

// languageTable lists what the detector knows of each language in Latin script: its little words, with and without accents,
// as posts have them; letters and endings that few others use. A word of several languages stands in each: where it is
// English too, it must stand there, or English posts lose. English comes first.
var languageTable = [...]struct{ code, words, letters, endings string }{
	{"en", `the of and to in is you that it he was for on are as with his they i at be this have from or one had by word
		but not what all were we when your can said there use an each which she do how their if will up other about
		out many then them these so some her would make like him into time has look two more write go see number no
		way could people my than first been call who its now find long down day did get come made may part over new
		take only little work know place year live me back give most very after thing our just name good sentence man
		think say great where help through much before line right too mean old any same tell boy follow came want show
		also around form three small set put end does another well large must big even such because turn here why ask
		went men read need land different home us move try kind hand picture again change off play spell away still
		should us am im dont cant wont didnt doesnt isnt ive youre thats its lets gonna gotta wanna yeah yes lol omg
		wow today tomorrow yesterday tonight week month year years ago never ever always every everyone everybody
		something anything nothing someone anyone really maybe while until since without within against between under
		below above during got getting going gone being having doing making buy buying bought sell selling sold money
		price prices market free news world people guys bro dude please thanks thank hey hi hello love hate best
		better worst worse hard easy next last later soon early late high higher low lower rise rises fall falls drop
		drops hits hit says said why how when who whom whose shit fuck fucking damn happy merry morning night life
		real true false fake keep start started stop stay wait waiting watch check click join earn win lose lost loss
		gain gains value worth believe feel hope guess sure actually probably literally basically already almost
		enough both few less least own might shall myself yourself himself itself themselves those ya yall ain aint u
		ur r n t s m re ll ve d let still million billion dollars bank banks trade traders investors investor
		investing invest invested currency currencies digital value wallet exchange exchanges mining miners
		transactions transaction futures launch launches latest via post open close closed share shares stock stocks
		looking looks big huge game future power using used bull bear run son sale sales hat hut kind rat war wars
		fast gift gifts loss door bent once plus pie pan main comment encore on or ten era mine dove sole due note bin
		van dan ban been toe mate pay van her him at an as is so bad art brief gut arm tag ton mad mod fun far lag sad
		fan fort ride fire sky do no a o i m s t till cmon mon net profit operating tax revenue revenues reports
		report eps into bull bulls bears dollar dollars euro euros non pro executive chairman director company
		companies data global key lack interest show shows announces scheme crash prices mining`,
		"", "ing tion ness ment ight ould able ious ally less ful"},
	{"es", `de la que el en y a los se del las un por con no una su para es al lo como más mas pero sus le ya o este sí si
		porque esta entre cuando muy sin sobre también tambien me hasta hay donde quien desde todo nos durante todos
		uno les ni contra otros ese eso ante ellos e esto mí antes algunos qué que unos yo otro otras otra él tanto
		esa estos mucho quienes nada muchos cual poco ella estar estas algunas algo nosotros mi mis tú tu te ti tus
		ellas está están estan fue ser son soy eres tiene tienen hace hacer puede pueden vamos va van año años ano
		anos día días dia dias hoy ayer ahora siempre nunca mejor peor mundo dinero gente precio dólares dolares dólar
		euros así asi aquí aqui bien gracias hola jajaja jaja cómo cuánto cuanto esa eso quiero creo sé decir dice
		sigue será sera gobierno según segun primera primero nuevo nueva moneda monedas criptomonedas criptomoneda
		mercado noticias gratis ganar banco millones mil vez veces parte tengo estoy han ha cada bajo tras hacia
		después despues menos casi solo sólo cosas cosa nuestro nuestra`,
		"ñáéíóúü", "ción iones mente dad ando iendo ados idad"},
	{"pt", `de a o que e do da em um para com não nao uma os no se na por mais as dos como mas ao ele das à seu sua ou
		quando muito nos já ja eu também tambem só so pelo pela até ate isso ela entre depois sem mesmo aos seus quem
		nas me esse eles você voce vocês essa num nem suas meu às minha numa pelos elas qual nós lhe deles essas esses
		pelas este dele tu te foi ser são sao está esta estão tem têm ter vai vou pode fazer faz hoje ontem agora ano
		anos dia dias tudo nada todo todos bem obrigado gente mundo dinheiro preço preco mercado moeda moedas
		criptomoedas criptomoeda melhor pior aqui assim ainda sobre onde porque pra pro tá né cara kkk kkkk quero acho
		sei novo nova primeira milhões mil vez vezes desde contra reais governo banco comprar vender`,
		"ãõçáéíóúâêô", "ção ções mente dade ando endo ados agem"},
	{"fr", `de la le et les des en un une du est que qui dans pour pas au sur ne se ce il sont plus par avec je on ou mais
		son tout nous vous sa ses elle être etre ces cette fait même meme si leur comme deux y bien aussi peut très
		tres sans où quand sous entre après apres encore mon ma mes ton ta tes moi toi lui ils elles leurs était etait
		avait ont été ete avoir faire fois donc alors rien tous toute toutes ça ca aujourd hui c j d l n qu jour ans
		an argent monde monnaie monnaies marché marche prix cours milliards millions contre depuis chez vers déjà deja
		jamais toujours trop peu beaucoup pourquoi comment quoi voici voilà oui non merci bonjour faut va vais suis es
		as ai êtes sommes cela celui notre nos votre vos selon premier première nouveau nouvelle banque gouvernement
		euros dollars`,
		"éèêàçùûîôœëï", "ement tion ique eurs euse aient elle ées"},
	{"de", `der die und in den von zu das mit sich des auf für fuer ist im dem nicht ein eine als auch es an werden aus er
		hat dass daß sie nach wird bei einer um am sind noch wie einem über ueber einen so zum war haben nur oder aber
		vor zur bis mehr durch man sein wurde sei hatte kann gegen vom können koennen schon wenn habe seine mark ihre
		dann unter wir soll ich eines es jahr jahre zwei jetzt ihr mir mich dich dir uns euch mal doch ja nein immer
		heute gestern morgen wieder viel viele was wer wo warum weil alle alles kein keine keinen diese dieser dieses
		gibt geht macht machen gut sehr hier da hab bin bist wäre würde muss müssen wollen will neue neuer neuen geld
		kurs währung währungen kryptowährung kryptowährungen welt leute euro dollar milliarden millionen ohne zwischen
		deutschland kaufen verkaufen`,
		"äöüß", "ung ungen lich keit heit isch schen eren icht"},
	{"it", `di e il la che in a un per è non una sono da con si del le i al più piu dei ha come ma lo della alla nel su
		anche ci gli delle se o questo quando ho tutto mi ti ne essere questa loro dal io tu lui lei noi voi cosa cui
		nella molto sul solo mio mia tuo tua suo sua ai dalla hanno era fatto fare stato chi dove così cosi perché
		perche poi ancora già gia bene tutti tutte oggi ieri domani ora sempre mai niente anno anni giorno mondo soldi
		prezzo mercato moneta monete valuta euro dollari miliardi milioni contro senza dopo prima quello quella quanto
		ogni stai sto va fa dice qui ecco grazie ciao secondo sulla degli negli nei sui alle agli dai`,
		"èàùòìé", "zione zioni mente ità are ere ano ando endo"},
	{"nl", `de en van ik te dat die in een hij het niet zijn is was op aan met als voor had er maar om hem dan zou of wat
		mijn men dit zo door over ze zich bij ook tot je mij uit der daar haar naar heb hoe heeft hebben deze u want
		nog zal me zij nu ge geen omdat iets worden toch al waren veel meer doen toen moet ben zonder kan hun dus
		alles onder ja eens hier wie werd altijd doch wordt wezen kunnen ons zelf tegen na reeds wil kon niets uw
		iemand geweest andere waarom gaat gaan komt jaar dag vandaag morgen geld koers waarde munt bank nieuwe nieuw
		hebt bent wij jij jullie deze zeer goed wel weer`,
		"ëï", "heid lijk ingen tie eert"},
	{"tr", `ve bir bu da de için icin ne mi mı mu ile çok cok ama gibi daha var yok o ben sen biz siz onlar kadar sonra en
		değil degil olarak olan her şey sey ki diye bana sana ya hiç hic iyi kötü şimdi simdi zaman bile neden niye
		nasıl nasil kim hangi kendi önce once göre gore ise eğer eger çünkü cunku mı şu su olur oldu olsun olacak
		oluyor var mı yeni yıl yil gün gun bugün bugun yarın para paralar fiyatı fiyati fiyat dolar lira tl milyon bin
		milyar türkiye dünya dunya haber haberleri son dakika ilk iki üç kaç kac lazım lazim evet hayır hadi abi hocam
		arkadaşlar tane yapmak etmek eden etti etti yapan üzerinde üzerinden değer değeri nedir`,
		"ğışöüç", "lar ler yor iyor uyor ından inden lari leri ları lık dır dir"},
	{"id", `yang dan di dengan ini untuk dari dalam tidak akan pada itu juga saya ada ke karena bisa oleh kami mereka atau
		sudah kita orang anda aku kamu dia lebih hanya seperti banyak baru saat telah kalau belum jika hari tahun jadi
		apa lagi sangat semua bukan sebagai harga uang mata dolar rupiah rp juta miliar beli jual gak nggak ga yg dgn
		utk tdk udah aja nih sih dong kok siapa bagaimana mengapa kenapa hingga masih dapat bagi para setelah sebelum
		harus ingin mau dunia pasar satu dua tiga kini terima kasih selamat pagi boleh tak nak dah lah`,
		"", "kan nya"},
	{"pl", `w i na z do to że ze się sie nie o jest jak po co tak za od ale dla przez już juz czy tym ma był byl być byc
		przy tylko jego jej ich tego mi mnie ja ty my wy oni który ktory która które są sa może moze bardzo teraz dziś
		dzis jeszcze kiedy gdzie kto bo by też tez lub oraz jako będzie bedzie rok roku lat dzień dni ceny cena kurs
		waluty waluta rynek pieniądze świat pod nad przed bez jeśli żeby można trzeba mam masz nic więcej wszystko`,
		"ąćęłńśźżó", "ość ego owej anie enie ania enia ych ami"},
	{"sv", `och att det i en jag hon som han på den med var sig för så till är men ett om hade de av icke mig du henne då
		sin nu har inte hans honom skulle hennes där min man ej vid kunde något från ut när efter upp vi dem vara vad
		över än dig kan sina här ha mot alla under någon eller allt mycket sedan ju denna själv detta åt utan varit
		hur ingen mitt ni bli blev oss din dessa några deras blir mina samma vilken er sådan vår idag år pengar pris
		kronor många bra också`,
		"åäö", "ning heter ande tion aren arna erna"},
	{"da", `og i at det er en til på som med han af for ikke der var mig sig men et har om vi min havde ham hun nu over da
		fra du ud sin dem os op man hans hvor eller hvad skal selv her alle vil blev kunne ind når være kom noget
		ville jo deres efter ned skulle denne end dette mit også under have dig anden hende mine alt meget sit sine
		vor mod disse hvis din nogle hos blive mange ad bliver hendes jer sådan jeg ikke kan år penge kroner bare få`,
		"æøå", "ning erne else lige"},
	{"no", `og i jeg det at en et den til er som på de med han av ikke der så var meg seg men ett har om vi min mitt ha
		hadde hun nå over da ved fra du ut sin dem oss opp man kan hans hvor eller hva skal selv sjøl her alle vil bli
		ble blitt kunne inn når være kom noen noe ville dere som deres kun ja etter ned skulle denne for deg si sine
		sitt mot å meget hvorfor dette disse uten hvordan ingen din ditt blir samme hvilken sånn mange også mye bare
		gjør går år penger kroner`,
		"æøå", "ning ene else lige"},
	{"fi", `ja on ei se että joka oli hän ole mutta kun niin myös tai jos vain mitä minä sinä me te he tämä nyt kuin ovat
		voi olla olen olet ollut sen sitä siitä siis sitten kaikki mikä miten miksi missä vielä jo nämä hyvä vuoden
		vuonna rahaa hinta euroa ette emme eivät enää aina kanssa mukaan jälkeen ennen koska oma jotain joku paljon`,
		"äö", "ssa ssä sta stä lla llä lle nen een ään ista isen"},
	{"cs", `a se v na je že to s z do o i ve jsem jsi jsme jsou byl byla bylo by pro ale jak jako už uz tak co ten ta za
		po od když kdyz jen nebo ani ho mu mi si jeho její který která které toho tom není neni může muze bude budou
		má mají ještě jeste dnes teď ted proč kde kdo nic všechno vše více rok roku let cena kurz měna měny peníze
		korun při před mezi asi tady taky jsem tohle díky chci mám máš`,
		"řůěčšžýáíé", "ství ního ních ých ého ovat ost"},
	{"ro", `și si în in a de la cu nu pe un o este din pentru care sa să ca că mai ce sunt au am ai fi fost dar sau prin
		despre după dupa când cand cum acest aceasta acum doar tot toate foarte unde eu tu el ea noi voi ei lor lui
		nostru ani anul zi lei bani preț pret piață valoare până pana fără fara între intre asta ăsta aia bine nici
		decât atunci deja`,
		"ăâîșțşţ", "ului ilor area ească ație ție"},
	{"hu", `a az és es hogy nem egy ez is van meg már mar csak de volt el ha mint még meg ki be fel le én te ő mi ti ők
		azt ezt ami aki minden lesz vagy nagyon most itt ott kell lehet nincs mert mit miért hogyan után utan pedig
		szerint forint pénz ár árfolyam millió milliárd évben év nap ma tegnap holnap jó`,
		"őűáéíóúöü", "ban ben nak nek ból ből ság ség val vel hoz hez"},
	{"vi", `và của là không có được cho tôi một người này với những đã trong các để khi từ đến cũng như về nhiều ra lại
		rằng thì mà sẽ vào bạn anh em chị ở trên theo hay nhưng nếu vì tiền giá ngày năm đồng thị trường thêm danh
		sách phát`,
		"ạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹđơư", ""},
	{"tl", `ang ng sa na mga ako ko ka ay si hindi yung lang naman po kung ba mo ito siya kayo natin namin niya nila pero
		para kasi din rin nga daw wala may meron dito diyan doon ano sino bakit paano kapag dahil pag tayo kami sila
		ikaw at o pa pera araw ngayon talaga mas lahat`,
		"", ""},
}

// rareEnglish are words of other languages that English posts hold now and then, in names for the most part: they say half as
// much for English as for the others.
const rareEnglish = `se de la el y le les las los del un una da os e com con et al sin dos san der den die kan per come met
	est mi ben et sur pour sent por ha me`

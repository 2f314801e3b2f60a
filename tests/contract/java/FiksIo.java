import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.zip.ZipInputStream;
import no.ks.fiks.io.client.FiksIOKlient;
import no.ks.fiks.io.client.FiksIOKlientFactory;
import no.ks.fiks.io.client.SvarSender;
import no.ks.fiks.io.client.konfigurasjon.AmqpKonfigurasjon;
import no.ks.fiks.io.client.konfigurasjon.FiksApiKonfigurasjon;
import no.ks.fiks.io.client.konfigurasjon.FiksIOKonfigurasjon;
import no.ks.fiks.io.client.konfigurasjon.FiksIntegrasjonKonfigurasjon;
import no.ks.fiks.io.client.konfigurasjon.IdPortenKonfigurasjon;
import no.ks.fiks.io.client.konfigurasjon.KontoKonfigurasjon;
import no.ks.fiks.io.client.konfigurasjon.VirksomhetssertifikatKonfigurasjon;
import no.ks.fiks.io.client.model.FilePayload;
import no.ks.fiks.io.client.model.KlientKorrelasjonId;
import no.ks.fiks.io.client.model.Konto;
import no.ks.fiks.io.client.model.KontoId;
import no.ks.fiks.io.client.model.Melding;
import no.ks.fiks.io.client.model.MeldingId;
import no.ks.fiks.io.client.model.MeldingRequest;
import no.ks.fiks.io.client.model.MottattMelding;
import no.ks.fiks.io.client.model.Payload;
import no.ks.fiks.io.client.model.StreamPayload;
import no.ks.fiks.io.client.model.StringPayload;
import no.ks.fiks.io.klient.FiksIOHttpException;

/**
 * Drives the published client fiks-io-klient-java as a vendor would, by {@link Lines}. One machine runs several clients:
 * {"do": "open", "as": name, ...} makes one, and {"as": name} says whose call one is.
 */
public class FiksIo {
    private static final int PATIENCE = 200;
    private static final Map<String, FiksIo> CLIENTS = new HashMap<>();

    private final FiksIOKlient client;
    private final Set<UUID> handled = ConcurrentHashMap.newKeySet();
    private final Map<String, Received> inHand = new ConcurrentHashMap<>();
    private final LinkedBlockingQueue<Map<String, Object>> inbox = new LinkedBlockingQueue<>();
    private final AtomicInteger losses = new AtomicInteger();
    private Traffic traffic;

    private record Received(MottattMelding melding, SvarSender sender) {}

    public static void main(String[] args) throws Exception {
        Lines.serve(FiksIo::perform, FiksIo::tell);
    }

    private static Object perform(JsonNode ask) throws Exception {
        var name = ask.get("as").asText();
        if (ask.get("do").asText().equals("open")) {
            CLIENTS.put(name, new FiksIo(ask));
            return null;
        }
        return CLIENTS.get(name).does(ask);
    }

    private FiksIo(JsonNode ask) throws Exception {
        var password = ask.get("keyStorePassword").asText();
        var key = new PKCS8EncodedKeySpec(Files.readAllBytes(Path.of(ask.get("kontoNokkel").asText())));
        var konto = KontoKonfigurasjon.builder()
            .kontoId(konto(ask, "kontoId"))
            .privatNokkel(KeyFactory.getInstance("RSA").generatePrivate(key));
        if (ask.has("offentligNokkel")) { // only newer clients upload it
            konto.getClass().getMethod("publicKey", String.class).invoke(konto, ask.get("offentligNokkel").asText());
        }
        var maskinporten = IdPortenKonfigurasjon.builder()
            .accessTokenUri(ask.get("issuer").asText() + "token")
            .idPortenAudience(ask.get("issuer").asText())
            .klientId(ask.get("clientId").asText())
            .build();
        var gateway = URI.create(ask.get("gateway").asText());
        client = new FiksIOKlientFactory(FiksIOKonfigurasjon.builder()
            .fiksApiKonfigurasjon(FiksApiKonfigurasjon.builder()
                .scheme(gateway.getScheme()).host(gateway.getHost()).port(gateway.getPort()).build())
            .amqpKonfigurasjon(AmqpKonfigurasjon.builder()
                .host(ask.get("amqpHost").asText())
                .port(ask.get("amqpPort").asInt())
                .meldingErBehandlet(id -> handled.contains(id.getUuid()))
                .build())
            .fiksIntegrasjonKonfigurasjon(FiksIntegrasjonKonfigurasjon.builder()
                .integrasjonId(Lines.id(ask, "integrasjonId"))
                .integrasjonPassord(ask.get("integrasjonPassord").asText())
                .idPortenKonfigurasjon(maskinporten)
                .build())
            .kontoKonfigurasjon(konto.build())
            .virksomhetssertifikatKonfigurasjon(VirksomhetssertifikatKonfigurasjon.builder()
                .keyStore(Lines.keyStore(ask))
                .keyStorePassword(password)
                .keyAlias(ask.get("alias").asText())
                .keyPassword(password)
                .build())
            .build()).build();
    }

    private Object does(JsonNode ask) throws Exception {
        return switch (ask.get("do").asText()) {
            case "konto" -> client.getKonto(konto(ask, "kontoId")).map(FiksIo::shown).orElse(null);
            case "send" -> shown(send(request(ask), payloads(ask)));
            case "listen" -> listen();
            case "next" -> next(ask.get("count").asInt());
            case "svar" -> shown(answer(inHand(ask).sender, ask.get("type").asText(), payloads(ask)));
            case "ack" -> settle(inHand(ask).sender::ack);
            case "nack" -> settle(inHand(ask).sender::nack);
            case "nackWithRequeue" -> settle(inHand(ask).sender::nackWithRequeue);
            case "handled" -> handled.add(Lines.id(ask, "id"));
            case "stream" -> files(inHand(ask).melding.getDekryptertZipStream());
            case "file" -> files(written(inHand(ask).melding, Path.of(ask.get("to").asText())));
            case "losses" -> losses.get();
            case "traffic" -> begin(ask);
            case "quiet" -> traffic.quiet();
            case "seen" -> traffic.seen;
            case "close" -> settle(client::close);
            default -> throw new IllegalArgumentException("nobody knows how to do " + ask.get("do"));
        };
    }

    private interface Act {
        void run() throws Exception;
    }

    private static Object settle(Act act) throws Exception {
        act.run();
        return null;
    }

    private Object listen() {
        client.newSubscription((melding, sender) -> {
            if ("kast".equals(melding.getHeadere().get("gjor")) && !melding.isResendt()) {
                throw new IllegalStateException("a handler that throws once");
            }
            inHand.put(melding.getMeldingId().toString(), new Received(melding, sender));
            inbox.add(shown(melding));
        }, reason -> losses.incrementAndGet());
        return null;
    }

    private Object next(int count) throws Exception {
        var found = new ArrayList<>();
        for (int number = 0; number < count; number++) {
            var one = inbox.poll(PATIENCE, TimeUnit.SECONDS);
            if (one == null) {
                throw new IllegalStateException("only " + number + " of " + count + " messages came");
            }
            found.add(one);
        }
        return found;
    }

    private Received inHand(JsonNode ask) {
        return inHand.get(ask.get("id").asText());
    }

    private Object begin(JsonNode ask) {
        traffic = new Traffic(konto(ask, "mottaker"), ask);
        return null;
    }

    private Melding send(MeldingRequest request, List<Payload> payloads) {
        return payloads.isEmpty() ? client.sendWithoutPayload(request) : client.send(request, payloads);
    }

    private static Melding answer(SvarSender sender, String type, List<Payload> payloads) {
        return payloads.isEmpty() ? sender.svar(type) : sender.svar(type, payloads);
    }

    private static MeldingRequest request(JsonNode ask) {
        var made = MeldingRequest.builder().mottakerKontoId(konto(ask, "mottaker")).meldingType(ask.get("type").asText());
        if (ask.has("ttl")) {
            made.ttl(Duration.ofMillis(ask.get("ttl").asLong()));
        }
        if (ask.has("klientMeldingId")) {
            made.klientMeldingId(new MeldingId(Lines.id(ask, "klientMeldingId")));
        }
        if (ask.has("korrelasjon")) {
            made.korrelasjonsId(new KlientKorrelasjonId(ask.get("korrelasjon").asText()));
        }
        if (ask.has("headere")) {
            made.headere(Lines.JSON.convertValue(ask.get("headere"), new TypeReference<>() {}));
        }
        return made.build();
    }

    private static List<Payload> payloads(JsonNode ask) {
        var made = new ArrayList<Payload>();
        ask.path("files").forEach(file -> made.add(new FilePayload(Path.of(file.asText()))));
        if (ask.has("breaksAfter")) {
            made.add(new StreamPayload(new Breaking(ask.get("breaksAfter").asInt()), ask.get("navn").asText()));
        }
        return made;
    }

    /** Zeroes, and then a fault, as of a disk. */
    private static final class Breaking extends InputStream {
        private int left;

        Breaking(int octets) {
            left = octets;
        }

        @Override
        public int read() throws IOException {
            if (left == 0) {
                throw new IOException("the disk is broken");
            }
            left--;
            return 0;
        }
    }

    private static InputStream written(MottattMelding melding, Path file) throws Exception {
        melding.writeDekryptertZip(file);
        return Files.newInputStream(file);
    }

    /** Name, size and SHA-256 of what is in a container, but for its META-INF. */
    private static Map<String, Object> files(InputStream content) throws Exception {
        var found = new TreeMap<String, Object>();
        try (var zip = content instanceof ZipInputStream ready ? ready : new ZipInputStream(content)) {
            var buffer = new byte[1 << 16];
            for (var entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
                var hash = MessageDigest.getInstance("SHA-256");
                long size = 0;
                for (int read = zip.read(buffer); read >= 0; read = zip.read(buffer)) {
                    hash.update(buffer, 0, read);
                    size += read;
                }
                if (!entry.getName().startsWith("META-INF/") && !entry.getName().equals("mimetype")) {
                    found.put(entry.getName(), List.of(size, HexFormat.of().formatHex(hash.digest())));
                }
            }
        }
        return found;
    }

    private static Map<String, Object> shown(Konto konto) {
        var made = new HashMap<String, Object>();
        made.put("kontoId", konto.getKontoId().toString());
        made.put("kontoNavn", konto.getKontoNavn());
        made.put("fiksOrgId", konto.getFiksOrgId().getFiksOrgId().toString());
        made.put("fiksOrgNavn", konto.getFiksOrgNavn());
        made.put("orgNummer", konto.getOrgNummer());
        made.put("gyldigAvsender", konto.isGyldigAvsender());
        made.put("gyldigMottaker", konto.isGyldigMottaker());
        made.put("antallKonsumenter", konto.getAntallKonsumenter());
        return made;
    }

    private static Map<String, Object> shown(Melding melding) {
        var made = new HashMap<String, Object>();
        made.put("id", melding.getMeldingId().toString());
        made.put("type", melding.getMeldingType());
        made.put("avsender", melding.getAvsenderKontoId().toString());
        made.put("mottaker", melding.getMottakerKontoId().toString());
        made.put("ttl", melding.getTtl() == null ? null : melding.getTtl().toMillis());
        made.put("svarPa", melding.getSvarPaMelding() == null ? null : melding.getSvarPaMelding().toString());
        var klient = melding.getKlientMeldingId();
        made.put("klientMeldingId", klient == null ? null : klient.toString());
        var korrelasjon = melding.getKlientKorrelasjonId();
        made.put("korrelasjon", korrelasjon == null ? null : korrelasjon.getKlientKorrelasjonId());
        made.put("headere", melding.getHeadere());
        if (melding instanceof MottattMelding mottatt) {
            made.put("resendt", mottatt.isResendt());
            made.put("harPayload", mottatt.isHarPayload());
        }
        return made;
    }

    private static KontoId konto(JsonNode ask, String name) {
        return new KontoId(Lines.id(ask, name));
    }

    private static void tell(Throwable fault, ObjectNode said) {
        for (var cause = fault; cause != null; cause = cause.getCause()) {
            said.put("error", cause.toString());
            if (cause instanceof FiksIOHttpException refused) {
                said.put("error", refused.getResponse()).put("status", refused.getStatus());
                return;
            } else if (cause instanceof ShutdownSignalException shut && shut.getReason() != null) {
                said.put("error", shut.getReason().toString());
                return;
            }
        }
    }

    /**
     * Sends to another account again and again, and does with what comes what its header "gjor" says: "svar", "avvis",
     * "tilbake" (once) or "aldri" (gives it back each time); the rest is acknowledged. Of what is never taken, some has
     * a second to live.
     */
    private final class Traffic {
        private static final String TYPE = "no.ks.fiks.test.v1.trafikk";
        private static final int SMALL = 100;
        private static final int LARGE = 6_000_000;
        private static final int LARGE_EVERY = 250;
        private static final int FAILING = 3;
        private static final int EXPIRING = 17;
        private static final long AFTER_REFUSAL = 250;

        final Collection<Map<String, Object>> seen = new ConcurrentLinkedQueue<>();
        private final Collection<Map<String, Object>> sent = new ConcurrentLinkedQueue<>();
        private final List<Thread> threads = new ArrayList<>();
        private final AtomicInteger numbers = new AtomicInteger();
        private volatile boolean running = true;

        Traffic(KontoId mottaker, JsonNode ask) {
            client.newSubscription(this::handle);
            for (int thread = 0; thread < ask.get("threads").asInt(); thread++) {
                threads.add(new Thread(() -> sendOn(mottaker, ask.get("pause").asLong())));
            }
            threads.forEach(Thread::start);
        }

        Object quiet() throws Exception {
            running = false;
            for (var thread : threads) {
                thread.join();
            }
            return sent;
        }

        private void sendOn(KontoId mottaker, long pause) {
            while (running) {
                var number = numbers.incrementAndGet();
                var mine = UUID.randomUUID();
                var request = MeldingRequest.builder().mottakerKontoId(mottaker).meldingType(TYPE)
                    .klientMeldingId(new MeldingId(mine)).headere(Map.of("gjor", wish(number)));
                if (number % 20 == EXPIRING) {
                    request.ttl(Duration.ofSeconds(1));
                }
                var one = new HashMap<String, Object>(Map.of("klientMeldingId", mine));
                var rest = pause;
                try {
                    one.put("id", send(request.build(), content(number)).getMeldingId().toString());
                } catch (RuntimeException refused) {
                    one.put("id", null);
                    rest = Math.max(pause, AFTER_REFUSAL); // where all gateways are away it comes at once
                }
                sent.add(one);
                LockSupport.parkNanos(rest * 1_000_000);
            }
        }

        private static String wish(int number) {
            return switch (number % 20) {
                case FAILING, EXPIRING -> "aldri";
                case 7 -> "tilbake";
                case 13 -> "avvis";
                case 0, 5, 10, 15 -> "svar";
                default -> "kvitter";
            };
        }

        private static List<Payload> content(int number) {
            if (number % LARGE_EVERY == LARGE_EVERY / 2) {
                return List.of(new StringPayload("0".repeat(LARGE), "stor.txt"));
            }
            return number % 3 == 0 ? List.of(new StringPayload("0".repeat(SMALL), "liten.txt")) : List.of();
        }

        private void handle(MottattMelding melding, SvarSender sender) {
            var wish = melding.getHeadere().getOrDefault("gjor", "kvitter");
            var first = !melding.isResendt();
            var act = "ack";
            try {
                if (!isWhole(melding) || wish.equals("aldri") || first && wish.equals("tilbake")) {
                    act = "requeue";
                } else if (wish.equals("avvis")) {
                    act = "nack";
                } else if (first && wish.equals("svar")) {
                    sender.svar(TYPE + ".svar");
                }
            } catch (Exception failed) {
                act = "requeue"; // a gateway was away, and is asked again
            }
            seen.add(Map.of("id", melding.getMeldingId().toString(), "resendt", !first, "act", act,
                "type", melding.getMeldingType()));
            try {
                switch (act) {
                    case "requeue" -> sender.nackWithRequeue();
                    case "nack" -> sender.nack();
                    default -> sender.ack();
                }
            } catch (RuntimeException late) {
                // The connection is gone, and the message comes again.
            }
        }

        private boolean isWhole(MottattMelding melding) throws Exception {
            if (!melding.isHarPayload()) {
                return true;
            }
            var file = Files.createTempFile("fiks-io", ".zip");
            try {
                return !files(written(melding, file)).isEmpty();
            } finally {
                Files.delete(file);
            }
        }
    }
}

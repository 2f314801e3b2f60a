import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.function.Function;
import no.ks.fiks.maskinporten.Maskinportenklient;
import no.ks.fiks.maskinporten.MaskinportenklientProperties;
import no.ks.fiks.svarut.forsendelse.lest.model.v2.LestAv;
import no.ks.fiks.svarut.forsendelse.send.model.v2.Adresse;
import no.ks.fiks.svarut.forsendelse.send.model.v2.Dokument;
import no.ks.fiks.svarut.forsendelse.send.model.v2.Forsendelse;
import no.ks.svarut.klient.HttpConfiguration;
import no.ks.svarut.klient.IntegrasjonAuthenticationStrategy;
import no.ks.svarut.klient.SvarUtKlientException;
import no.ks.svarut.klient.forsendelse.eksternRef.v2.EksternRefKlientV2;
import no.ks.svarut.klient.forsendelse.hendelser.v2.HendelserKlientV2;
import no.ks.svarut.klient.forsendelse.lest.v2.LestKlientV2;
import no.ks.svarut.klient.forsendelse.send.v2.SendKlientV2;
import no.ks.svarut.klient.forsendelse.send.v2.builders.AdresseBuilder;
import no.ks.svarut.klient.forsendelse.send.v2.builders.DokumentBuilder;
import no.ks.svarut.klient.forsendelse.send.v2.builders.ForsendelseBuilder;
import no.ks.svarut.klient.forsendelse.status.v2.StatusKlientV2;

/**
 * Drives the published client fiks-svarut-klient 4.8.0 as a vendor would, by {@link Lines}.
 *
 * <p>{"do": "caller", ...} makes the clients of a caller; all that follow are that caller's calls, until the next one.
 */
public class SvarUt {
    private static final int PARALLEL = 8;
    private static SvarUt caller;

    private final SendKlientV2 send;
    private final StatusKlientV2 status;
    private final HendelserKlientV2 hendelser;
    private final LestKlientV2 lest;
    private final EksternRefKlientV2 eksternRef;

    public static void main(String[] args) throws Exception {
        Lines.serve(SvarUt::perform, SvarUt::tell);
    }

    private static Object perform(JsonNode ask) throws Exception {
        if (ask.get("do").asText().equals("caller")) {
            caller = new SvarUt(ask);
            return null;
        }
        return caller.does(ask);
    }

    private SvarUt(JsonNode ask) throws Exception {
        var keyStore = Lines.keyStore(ask);
        var password = ask.get("keyStorePassword").asText().toCharArray();
        var alias = ask.get("alias").asText();
        var maskinporten = Maskinportenklient.builder()
            .withPrivateKey((PrivateKey) keyStore.getKey(alias, password))
            .usingVirksomhetssertifikat((X509Certificate) keyStore.getCertificate(alias))
            .withProperties(MaskinportenklientProperties.builder()
                .tokenEndpoint(ask.get("issuer").asText() + "token")
                .audience(ask.get("issuer").asText())
                .issuer(ask.get("clientId").asText())
                .numberOfSecondsLeftBeforeExpire(10)
                .build())
            .build();
        var auth = new IntegrasjonAuthenticationStrategy(maskinporten, Lines.id(ask, "integrasjonId"),
            ask.get("integrasjonPassord").asText());
        var url = ask.get("url").asText();
        var http = new HttpConfiguration(null);
        send = new SendKlientV2(url, auth, Function.identity(), http);
        status = new StatusKlientV2(url, auth, Function.identity(), http);
        hendelser = new HendelserKlientV2(url, auth, Function.identity(), http);
        lest = new LestKlientV2(url, auth, Function.identity(), http);
        eksternRef = new EksternRefKlientV2(url, auth, Function.identity(), http);
    }

    private Object does(JsonNode ask) throws Exception {
        return switch (ask.get("do").asText()) {
            case "send" -> send(ask);
            case "sendMany" -> sendMany(ask);
            case "status" -> statusOf(ask);
            case "statuser" -> statuses(ask);
            case "hendelser" -> events(ask);
            case "lest" -> read(ask);
            case "eksternRef" -> eksternRef.finnForsendelserKnyttetTilEksternRef(
                Lines.id(ask, "kontoId"), ask.get("eksternRef").asText());
            default -> throw new IllegalArgumentException("nobody knows how to do " + ask.get("do"));
        };
    }

    private Object send(JsonNode ask) throws Exception {
        Map<String, InputStream> content = new HashMap<>();
        for (var document : ask.get("dokumenter")) {
            var bytes = Files.readAllBytes(Path.of(document.get("file").asText()));
            content.put(document.get("filnavn").asText(), new ByteArrayInputStream(bytes));
        }
        return send.send(Lines.id(ask, "kontoId"), forsendelse(ask), content);
    }

    /** The same again and again, from several threads that share one client. */
    private Object sendMany(JsonNode ask) throws Exception {
        var threads = Executors.newFixedThreadPool(PARALLEL);
        Callable<Object> one = () -> send(ask);
        var sent = new ArrayList<>();
        for (var future : threads.invokeAll(Collections.nCopies(ask.get("count").asInt(), one))) {
            sent.add(future.get());
        }
        threads.shutdown();
        return sent;
    }

    private Object statusOf(JsonNode ask) {
        var found = status.hentStatus(Lines.id(ask, "kontoId"), Lines.id(ask, "id"));
        return Map.of("id", found.getId(), "status", found.getStatus().getValue(),
            "sisteStatusEndring", found.getSisteStatusEndring().toString());
    }

    private Object statuses(JsonNode ask) {
        var ids = new ArrayList<UUID>();
        ask.get("ids").forEach(one -> ids.add(UUID.fromString(one.asText())));
        var found = new HashMap<String, String>();
        for (var one : status.hentStatuser(Lines.id(ask, "kontoId"), ids)) {
            found.put(one.getId().toString(), one.getStatus().getValue());
        }
        return found;
    }

    private Object events(JsonNode ask) {
        return hendelser.hentHendelser(Lines.id(ask, "id")).stream()
            .map(one -> Map.of("tidspunkt", one.getTidspunkt().toString(), "hendelse", one.getHendelse()))
            .toList();
    }

    private Object read(JsonNode ask) {
        var when = OffsetDateTime.parse(ask.get("tidspunkt").asText());
        var by = new LestAv(ask.get("fnr").asText(), when, ask.get("eksterntSystemnavn").asText());
        lest.settForsendelseLestAvEksterntSystem(Lines.id(ask, "id"), by);
        return "lest";
    }

    private static Forsendelse forsendelse(JsonNode ask) {
        var made = new ForsendelseBuilder()
            .tittel(ask.get("tittel").asText())
            .mottaker(adresse(ask.get("mottaker")))
            .dokumenter(dokumenter(ask.get("dokumenter")))
            .avgivendeSystem("Sak og arkiv")
            .konteringskode("k-1_æ")
            .eksternReferanse(ask.path("eksternReferanse").asText(null));
        return made.build();
    }

    private static Adresse adresse(JsonNode ask) {
        return new AdresseBuilder()
            .navn(ask.get("navn").asText())
            .digitalId(ask.path("digitalId").asText(null))
            .adresselinje1("Storgata 1")
            .postnummer("0155")
            .poststed("Oslo")
            .build();
    }

    private static List<Dokument> dokumenter(JsonNode ask) {
        var made = new ArrayList<Dokument>();
        for (var one : ask) {
            made.add(new DokumentBuilder()
                .filnavn(one.get("filnavn").asText())
                .mimeType(one.get("mimeType").asText())
                .skalEkskluderesFraUtskrift(one.path("skalEkskluderesFraUtskrift").asBoolean(false))
                .build());
        }
        return made;
    }

    private static void tell(Throwable fault, ObjectNode said) {
        if (fault instanceof SvarUtKlientException refused) {
            said.put("error", refused.getMessage()).put("status", refused.getErrorMessage().getStatus());
        }
    }
}

// Reads an event into the generated class, gives it another sequence, and writes it as the client publishes it.

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.databind.DeserializationContext;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.deser.std.FromStringDeserializer;
import com.fasterxml.jackson.databind.module.SimpleModule;
import com.fasterxml.jackson.databind.ser.std.ToStringSerializer;
import generated.StockChanged;
import java.time.OffsetDateTime;

public final class WriteStock {
    // What jackson-datatype-jsr310 brings, which Debian does not have.
    private static final class TimeDeserializer extends FromStringDeserializer<OffsetDateTime> {
        private static final long serialVersionUID = 1L;

        TimeDeserializer() {
            super(OffsetDateTime.class);
        }

        @Override
        protected OffsetDateTime _deserialize(String text, DeserializationContext context) {
            return OffsetDateTime.parse(text);
        }
    }

    public static void main(String[] arguments) throws Exception {
        var times = new SimpleModule()
                .addSerializer(OffsetDateTime.class, new ToStringSerializer())
                .addDeserializer(OffsetDateTime.class, new TimeDeserializer());
        var mapper = new ObjectMapper().setSerializationInclusion(JsonInclude.Include.NON_NULL).registerModule(times);
        var event = mapper.readValue(arguments[0], StockChanged.class);
        event.setSequence(arguments[1]);
        System.out.print(mapper.writeValueAsString(event));
    }
}

// Publishes a first stock event to Comporta: dotnet run -- [URL [SEQUENCE [ON_HAND]]]
//
// URL is amqp://user:password@host:5672/vhost, or else the environment's COMPORTA_BROKER_URL.
// Exit code 0: confirmed; 1: not confirmed, the reason is on standard error; 2: wrong usage.
using System.Text.Json;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

const string Shop = "main";
const int Attempts = 5;

var url = args.ElementAtOrDefault(0) ?? Environment.GetEnvironmentVariable("COMPORTA_BROKER_URL") ?? "";
if (url == "")
{
    Console.Error.WriteLine("usage: dotnet run -- amqp://user:password@host:5672/vhost [SEQUENCE [ON_HAND]]");
    return 2;
}
var sequence = args.ElementAtOrDefault(1) ?? "1";
var id = $"stock-{sequence}"; // The same change has the same id, however often it is sent.
try
{
    await PublishUntilConfirmedAsync(StockEvent(args.ElementAtOrDefault(2) ?? "12.000"));
    Console.WriteLine($"confirmed: {id} for {Shop}.stock, sequence {sequence}");
    return 0;
}
catch (NotTakenException problem)
{
    Console.Error.WriteLine($"NOT confirmed: {id}: {problem.Message}");
    return 1;
}

// One balance as it is now: an absolute state, with numbers in strings so that they keep their digits.
byte[] StockEvent(string onHand)
{
    var now = "2026-11-23T07:22:51-03:00"; // When the change was made: sent again, it is the same event.
    return JsonSerializer.SerializeToUtf8Bytes(new
    {
        specversion = "1.0",
        id,
        source = "/erp/example/1",
        type = "erp.stock.changed.v1",
        time = now,
        sequence, // Counts up with every change; of one key the highest wins.
        data = new { product_code = "7891000", branch = "1", warehouse = "MAIN", on_hand = onHand, unit = "UN", as_of = now },
    });
}

// Returns once the broker has confirmed that a queue keeps the event.
async Task PublishAsync(byte[] body)
{
    using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
    // Automatic recovery would not send again what is not confirmed: we do.
    var factory = new ConnectionFactory { Uri = new Uri(url), AutomaticRecoveryEnabled = false };
    await using var connection = await factory.CreateConnectionAsync(patience.Token);
    var confirms = new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true);
    await using var channel = await connection.CreateChannelAsync(confirms, patience.Token);
    var properties = new BasicProperties
    {
        ContentType = "application/cloudevents+json", DeliveryMode = DeliveryModes.Persistent, MessageId = id,
    };
    try
    {
        // With the tracking on, this waits for the confirm, and throws if the event is returned or nacked.
        await channel.BasicPublishAsync("erp.events", $"{Shop}.stock", mandatory: true, properties, body, patience.Token);
    }
    catch (PublishException problem)
    {
        throw new NotTakenException(problem.IsReturn
            ? $"returned: no queue takes {Shop}.stock; has Comporta run on this broker?"
            : "nacked: the broker could not keep the event; look at its log");
    }
    catch (OperationInterruptedException closed) when (closed.ShutdownReason?.ReplyCode is 403 or 404)
    {
        throw new NotTakenException($"refused: {closed.ShutdownReason?.ReplyText}; has Comporta run on this broker?");
    }
}

// Without an answer the event may have arrived or not: sending it again with the same id is safe.
async Task PublishUntilConfirmedAsync(byte[] body)
{
    for (var attempt = 1; ; attempt++)
    {
        try
        {
            await PublishAsync(body);
            return;
        }
        catch (Exception error) when (error is RabbitMQClientException or IOException or OperationCanceledException)
        {
            if (attempt == Attempts)
                throw new NotTakenException($"no answer from the broker in {Attempts} attempts: {error.Message}");
            await Task.Delay(TimeSpan.FromSeconds(1 << (attempt - 1)));
        }
    }
}

/// <summary>The broker answered, and did not take the event: sending it again at once would not help.</summary>
sealed class NotTakenException(string message) : Exception(message);

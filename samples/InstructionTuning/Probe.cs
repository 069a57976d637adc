using Microsoft.Extensions.AI;

namespace LmKit.InstructionTuning;

/// <summary>Asks a model every question about the held-out places, greedily, through its chat client.</summary>
public sealed class Probe(World world, Vocabulary vocabulary)
{
    private const int LongestReply = 40;

    /// <summary>Asks, completes and counts.</summary>
    /// <param name="arm">The arm; null for the base model.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="model">The model.</param>
    /// <param name="format">How it takes the question.</param>
    /// <param name="loss">Loss of its last training step.</param>
    /// <param name="cancellation">Observed before every token.</param>
    public async Task<ArmResult> RunAsync(DatasetArm? arm, long seed, ILanguageModel model, IChatFormat format, double loss, CancellationToken cancellation)
    {
        var replies = await AskAsync(model, format, cancellation);
        return new ArmResult(arm, seed, Score(replies, await ClozeAsync(model, cancellation)), replies, loss);
    }

    /// <summary>The replies to the questions.</summary>
    /// <param name="model">The model.</param>
    /// <param name="format">How it takes the question.</param>
    /// <param name="cancellation">Observed before every token.</param>
    public async Task<IReadOnlyList<Reply>> AskAsync(ILanguageModel model, IChatFormat format, CancellationToken cancellation)
    {
        using var client = model.AsChatClient(vocabulary.Tokenizer, format);
        var replies = new List<Reply>();
        foreach (var entity in world.HeldOut)
        {
            for (var attribute = 0; attribute < World.AttributeCount; attribute++)
            {
                var question = World.Question(entity, attribute);
                var answer = await client.GetResponseAsync(question, new ChatOptions { Temperature = 0, MaxOutputTokens = LongestReply }, cancellation);
                replies.Add(new Reply(question, entity, attribute, answer.Text, answer.FinishReason == ChatFinishReason.Stop));
            }
        }
        return replies;
    }

    /// <summary>The share of statements about held-out places that the model completes with the right value.</summary>
    public async Task<double> ClozeAsync(ILanguageModel model, CancellationToken cancellation)
    {
        using var client = model.AsChatClient(vocabulary.Tokenizer, vocabulary.Plain);
        var right = 0;
        foreach (var entity in world.HeldOut)
        {
            for (var attribute = 0; attribute < World.AttributeCount; attribute++)
            {
                var (statement, value) = (world.Statement(entity, attribute), world.Value(entity, attribute));
                var answer = await client.GetResponseAsync(statement[..statement.LastIndexOf(value, StringComparison.Ordinal)].TrimEnd(), new ChatOptions { Temperature = 0, MaxOutputTokens = 1 }, cancellation);
                right += answer.Text.Trim() == value ? 1 : 0;
            }
        }
        return right / (double)(world.HeldOut.Count * World.AttributeCount);
    }

    /// <summary>Counts the properties of replies.</summary>
    public ProbeScores Score(IReadOnlyList<Reply> replies, double cloze)
    {
        return new ProbeScores(
            Share(reply => reply.IsOnTopic),
            Share(reply => reply.AsksNothing),
            Share(reply => reply.IsMarked),
            Share(reply => reply.IsGood(world)),
            Share(reply => reply.StatesFactFirst(world)),
            cloze);

        double Share(Func<Reply, bool> holds) => replies.Count(holds) / (double)replies.Count;
    }
}

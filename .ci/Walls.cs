// What stood in the way of app developers on the packages, each asserted in an app that knows nothing but the packages.
// .ci/consume runs it as the Program.cs of a fresh app, beside appsettings.json, which it writes itself.
using System.Text.Json;
using LmKit;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Snapshooter;
using Snapshooter.Xunit;

var walls = new (string Name, Func<Task> Check)[]
{
    ("2: a snapshot of a configuration changes with every size and option", Snapshots),
    ("3: a TextGenerator continues prompts over a diffusion sampler", DiffusionText),
    ("4: a chat client draws with the model's own sampler", OwnSampler),
    ("5: a reader that stops reading blocks nobody", StuckReader),
    ("6: an answer that reaches the end of the positions ends with Length", EndOfPositions),
    ("task 2: a trained folder, a section and a chat client from a container", Container),
    ("task 10: a diffusion transformer is saved, loaded, and gives text", DiffusionFolder),
};
var failed = 0;
foreach (var (name, check) in walls)
{
    try
    {
        await check().WaitAsync(TimeSpan.FromMinutes(2));
        Console.WriteLine($"gone {name}");
    }
    catch (Exception error)
    {
        failed++;
        Console.WriteLine($"STANDS {name}\n{error}");
    }
}
Console.WriteLine($"walls: {walls.Length - failed} gone, {failed} standing");
Environment.Exit(failed); // an answer that hangs must not keep the app alive

static Task Snapshots()
{
    var folder = Directory.CreateTempSubdirectory("walls-").FullName;
    var place = new SnapshotFullName("config.snap", folder);
    Snapshot.Match(Config(64, 64, 4), place);
    Snapshot.Match(Config(64, 64, 4), place);
    foreach (var (what, config) in new[] { ("ModelDim", Config(128, 64, 4)), ("StateDim", Config(64, 32, 4)), ("BlockCount", Config(64, 64, 8)) })
    {
        Throws<Exception>(() => Snapshot.Match(config, place), $"a snapshot that differs in {what}");
        That(JsonSerializer.Serialize(config) != JsonSerializer.Serialize(Config(64, 64, 4)), $"JSON differs in {what}");
        That(config.ToString() != Config(64, 64, 4).ToString(), $"the text differs in {what}");
        That(JsonSerializer.Deserialize<ModelConfig>(JsonSerializer.Serialize(config))! == config, $"JSON comes back, {what}");
    }
    Directory.Delete(folder, recursive: true);
    return Task.CompletedTask;

    static ModelConfig Config(long modelDim, int stateDim, int blockCount)
    {
        using var model = new LanguageModelBuilder { VocabSize = 256, ModelDim = modelDim, LayerCount = 1 }
            .AddH3(h3 => h3.StateDim = stateDim).AddMonarchLinear(monarch => monarch.BlockCount = blockCount).Build();
        return model.Config;
    }
}

static async Task DiffusionText()
{
    var builder = new LanguageModelBuilder { VocabSize = 257, ModelDim = 16, LayerCount = 1 };
    builder.Options.IsBidirectional = true;
    using var model = builder.AddAttention().AddSparseAncestralSampler(maskId: 256, sampler => sampler.StepCount = 8).Build();
    await Texts(model);
}

static async Task DiffusionFolder()
{
    var folder = Directory.CreateTempSubdirectory("walls-").FullName;
    string[] texts;
    using (var model = new LanguageModelBuilder()
        .AddDiffusionTransformer(sizes => (sizes.VocabSize, sizes.ModelDim, sizes.LayerCount, sizes.HeadCount) = (257, 16, 2, 2))
        .AddSparseAncestralSampler(maskId: 256, sampler => sampler.StepCount = 8)
        .Build())
    {
        texts = await Texts(model);
        model.Save(folder, TokenizerFiles.SaveBytes);
    }
    using (var loaded = LanguageModel.Load(folder, kinds => kinds.AddDiffusion()))
    {
        That(loaded.Describe().ToString().Contains("diffusion"), "the table for people names the block");
        That((await Texts(loaded)).SequenceEqual(texts), "the loaded model gives the same texts");
    }
    Directory.Delete(folder, recursive: true);
}

static async Task<string[]> Texts(LanguageModel model)
{
    var generator = new TextGenerator(model.CreateSampler(), ModelTokenizer.Bytes);
    var options = new GenerationOptions { MaxOutputTokens = 6, Seed = 1 };
    string[] texts = [.. generator.Generate(["ab", "a longer prompt"], options)];
    That(texts.All(text => text.Length > 0), "both prompts are continued");
    TextUpdate? last = null;
    var shown = "";
    await foreach (var update in generator.StreamAsync("ab", options))
    {
        shown = update.Replaces ? update.Text : shown + update.Text;
        last = update;
    }
    That(shown == texts[0], "a stream ends with the text of the batch");
    That(last is { FinishReason: not null, Usage.OutputTokenCount: > 0 }, "it ends with reason and usage");
    Throws<NotSupportedException>(() => _ = generator.StreamAsync("ab", new GenerationOptions { StopSequences = ["x"] }), "a stop sequence of a stream that changes what it has shown");
    return texts;
}

static async Task OwnSampler()
{
    using var greedy = Model(builder => builder.AddAutoregressiveSampler(sampler => sampler.Temperature = 0));
    using var warm = Model(builder => builder.AddAutoregressiveSampler());
    That((await Answers(greedy)).Count == 1, "four seeds give one answer at temperature 0");
    That((await Answers(warm)).Count == 4, "four seeds give four answers at temperature 1");

    static async Task<HashSet<string>> Answers(LanguageModel model)
    {
        using var chat = model.AsChatClient(ModelTokenizer.Bytes);
        var answers = new HashSet<string>();
        for (var seed = 0; seed < 4; seed++)
            answers.Add((await chat.GetResponseAsync("hello", new ChatOptions { Seed = seed, MaxOutputTokens = 8 })).Text);
        return answers;
    }
}

static async Task StuckReader()
{
    using var model = Model();
    using var chat = model.AsChatClient(ModelTokenizer.Bytes, options: new LanguageModelChatOptions { MaxParallelAnswers = 1 });
    var stuck = chat.GetStreamingResponseAsync("abc", new ChatOptions { MaxOutputTokens = 50 }).GetAsyncEnumerator();
    That(await stuck.MoveNextAsync(), "the stream has begun");
    var other = await chat.GetResponseAsync("abc", new ChatOptions { MaxOutputTokens = 4 });
    That(other.Usage?.OutputTokenCount == 4, "another request is answered meanwhile");
    await stuck.DisposeAsync();
}

static async Task EndOfPositions()
{
    using var model = Model(builder => builder.AddLearnedPositions(32));
    using var chat = model.AsChatClient(ModelTokenizer.Bytes);
    var answer = await chat.GetResponseAsync("hello", new ChatOptions { MaxOutputTokens = 60 });
    That(answer.FinishReason == ChatFinishReason.Length, $"the answer ended with {answer.FinishReason}");
    That(answer.Usage is { OutputTokenCount: > 0 and < 60 }, "the answer has the tokens that there was room for");
    var error = await ThrowsAsync<ArgumentException>(() => chat.GetResponseAsync(new string('a', 40)), "a prompt that is too long");
    That(error.Message.Contains("32 tokens") && error.Message.Contains("messages"), $"it speaks of tokens and messages: {error.Message}");
}

static async Task Container()
{
    var folder = Directory.CreateTempSubdirectory("walls-").FullName;
    using (var trained = Model())
        trained.Save(folder, TokenizerFiles.SaveBytes);
    File.WriteAllText("appsettings.json", $$"""
        { "Models": {
            "Folder": {{JsonSerializer.Serialize(folder)}},
            "Draft": { "VocabSize": 256, "ModelDim": 16, "LayerCount": 2, "Components": [
                { "Kind": "h3", "Options": { "StateDim": 8 } },
                { "Kind": "attention", "Layers": [1], "Options": { "HeadCount": 2 } },
                { "Kind": "monarch", "Options": { "BlockCount": 4 } } ] } } }
        """);
    IConfiguration configuration = new ConfigurationBuilder().SetBasePath(Environment.CurrentDirectory).AddJsonFile("appsettings.json").Build();
    await using (var provider = Provider(configuration))
    {
        provider.GetRequiredService<IStartupValidator>().Validate();
        That(provider.GetRequiredKeyedService<LanguageModel>("draft").Config.Components.Any(entry => entry.Kind == "h3"), "the section's components");
        That(provider.GetRequiredKeyedService<LanguageModel>("chat").Config.Components.Any(entry => entry.Kind == "lambda"), "the verb's mask");
        That(provider.GetRequiredKeyedService<ISampler>("chat") is not null && provider.GetRequiredKeyedService<ILanguageModel>("draft") is not null, "all services are there");
        _ = provider.GetRequiredKeyedService<TextGenerator>("chat");
        foreach (var key in new[] { "chat", "draft" })
            That((await provider.GetRequiredKeyedService<IChatClient>(key).GetResponseAsync("hello", new ChatOptions { MaxOutputTokens = 3 })).Usage?.OutputTokenCount == 3, $"'{key}' answers");
    }
    configuration["Models:Draft:Components:0:Options:StateDimm"] = "8";
    await using (var provider = Provider(configuration))
    {
        var message = Throws<OptionsValidationException>(() => provider.GetRequiredService<IStartupValidator>().Validate(), "an unknown key, at the start").Message;
        That(message.StartsWith("model 'draft': Models:Draft:Components:0:Options:StateDimm: unknown key"), message);
    }
    configuration["Models:Draft:Components:0:Options:StateDimm"] = null;
    Directory.Delete(folder, recursive: true);
    await using (var provider = Provider(configuration))
    {
        var error = Throws<Exception>(() => provider.GetRequiredService<IStartupValidator>().Validate(), "a folder that is not there, at the start");
        That(error.ToString().Contains("model 'chat': ") && error.ToString().Contains(folder), error.ToString());
    }

    static ServiceProvider Provider(IConfiguration configuration)
    {
        var services = new ServiceCollection();
        services.AddSingleton<ILoggerFactory>(NullLoggerFactory.Instance);
        services.AddKeyedLanguageModel("chat", configuration["Models:Folder"]!).AddLambdaMask(mask => (mask.GlobalLength, mask.LocalLength) = (2, 8));
        services.AddKeyedLanguageModel("draft", configuration.GetSection("Models:Draft"), kinds => kinds.AddSsm().AddStructured());
        services.AddKeyedChatClient("chat", p => p.GetRequiredKeyedService<LanguageModel>("chat").AsChatClient(p.GetRequiredKeyedService<ModelTokenizer>("chat"))).UseLogging();
        services.AddKeyedChatClient("draft", p => p.GetRequiredKeyedService<LanguageModel>("draft").AsChatClient(ModelTokenizer.Bytes)).UseLogging();
        return services.BuildServiceProvider();
    }
}

static LanguageModel Model(Action<LanguageModelBuilder>? more = null)
{
    var builder = new LanguageModelBuilder { VocabSize = 256, ModelDim = 16, LayerCount = 1 }.AddAttention();
    more?.Invoke(builder);
    return builder.Build();
}

static void That(bool holds, string what)
{
    if (!holds)
        throw new InvalidOperationException($"Not so: {what}.");
}

static T Throws<T>(Action action, string what)
    where T : Exception
{
    try
    {
        action();
    }
    catch (T error)
    {
        return error;
    }
    throw new InvalidOperationException($"Accepted: {what}.");
}

static async Task<T> ThrowsAsync<T>(Func<Task> action, string what)
    where T : Exception
{
    try
    {
        await action();
    }
    catch (T error)
    {
        return error;
    }
    throw new InvalidOperationException($"Accepted: {what}.");
}

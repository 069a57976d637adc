using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

// What a checkpoint holds and what tells one run from another.
public abstract partial class DistillationTrainer
{
    private string Folder => options.CheckpointFolder
        ?? throw new InvalidOperationException($"{nameof(DistillationOptions)}.{nameof(DistillationOptions.CheckpointFolder)} is not set.");

    private IEnumerable<(string Name, nn.Module Module)> Modules() =>
        learners.Select(one => (one.Name, one.Module)).Concat(companions.Select(pair => (pair.Key, pair.Value)));

    private static string Optimizer(DistillationLearner one) => $"{one.Name}_optimizer";

    private static string Masters(DistillationLearner one) => $"{one.Name}_masters";

    private RunCheckpoints Checkpoints(Dictionary<string, IReadOnlyDictionary<string, Tensor>> parts) =>
        new(Folder, HeaderFile, [.. parts.Keys.Where(part => part != DistillationGuard.Part)], [DistillationGuard.Part]);

    private RunIdentity Identity()
    {
        var identity = new RunIdentity("method", GetType().Name).AddAll(fixedIdentity.Value);
        return Guard is null ? identity.Add("guard", null) : Guard.Describe(identity);
    }

    private RunIdentity Describe()
    {
        var identity = new RunIdentity("method", GetType().Name).AddOptions(options);
        Schedule.Describe(identity);
        identity.Add("mask_id", Student.MaskId).Add("vocab_size", Student.VocabSize).Add("is_time_conditioned", Student.IsTimeConditioned);
        foreach (var (name, module) in Modules())
            identity.AddModule(module is Discriminator one ? one.Model : module, name);
        if (Network(Teacher) is { } network && !companions.ContainsValue(network))
            identity.Add("teacher_key", ContentHash.Of(ModuleTensors.Of(network)));
        return identity.AddRows("data_key", random => reference(2, random));
    }

    private static nn.Module? Network(IDenoiser denoiser) => denoiser switch
    {
        LanguageModelDenoiser one => one.Network,
        _ => denoiser as nn.Module,
    };

    private void Check(string folder, Dictionary<string, IReadOnlyDictionary<string, Tensor>> mine, RunCheckpoint found)
    {
        var saved = found.Parts;
        foreach (var (name, module) in Modules())
            CheckpointLoader.Check($"{name} of {folder}", ModuleTensors.Of(module), saved[name]);
        foreach (var one in learners)
        {
            one.CheckMoments(saved[Optimizer(one)]);
            if (one.Masters.Any)
                one.Masters.Check($"{Masters(one)} of {folder}", saved[Masters(one)]);
        }
        Average.Check(saved[AveragePart]);
        CheckpointLoader.Check($"{GeneratorPart} of {folder}", mine[GeneratorPart], saved[GeneratorPart]);
        if (Guard is not null && saved.TryGetValue(DistillationGuard.Part, out var memory))
            DistillationGuard.Check(memory, Average);
        CheckpointLoader.Check($"{CountsPart} of {folder}", mine[CountsPart], saved[CountsPart]);
    }

    private Dictionary<string, IReadOnlyDictionary<string, Tensor>> Parts()
    {
        var parts = Modules().ToDictionary(pair => pair.Name, pair => ModuleTensors.Of(pair.Module));
        foreach (var one in learners)
        {
            parts[Optimizer(one)] = one.Moments();
            if (one.Masters.Any)
                parts[Masters(one)] = one.Masters.Tensors;
        }
        parts[AveragePart] = Average.Tensors;
        parts[GeneratorPart] = generators.ToDictionary(pair => pair.Key, pair => pair.Value.get_state());
        parts[CountsPart] = Ledger.Counts().Append(new(AveragePart, Average.UpdateCount)).ToDictionary(pair => pair.Key, pair => tensor(pair.Value));
        if (Guard?.Memory() is { Count: > 0 } memory)
            parts[DistillationGuard.Part] = memory;
        return parts;
    }
}

namespace LmKit.InstructionTuning;

/// <summary>What the base model and the tuned arms are trained with alike.</summary>
public static class Training
{
    /// <summary>Builds the base model's network, with an adapter around every linear if one is given.</summary>
    public static LanguageModel Build(long seed, LoraOptions? adapter = null)
    {
        using var stream = typeof(Training).Assembly.GetManifestResourceStream("base-model.json")!;
        using var reader = new StreamReader(stream);
        var config = ModelConfig.FromJson(reader.ReadToEnd());
        var options = config.ReadOptions();
        options.Seed = (ulong)seed;
        config = new ModelConfig(options, config.Components);
        if (adapter is not null)
            config = config.With(new ComponentEntry(Slots.LinearWrapper, LoraComponent.Kind.Name, LoraComponent.Kind.Package, OptionsJson.Write(adapter)));
        return LanguageModel.Build(config, new ComponentRegistry().AddTuning());
    }

    /// <summary>Trains, and gives the last step's loss.</summary>
    public static double Run(ITrainingTask task, TrainingOptions options, Action<TrainingStep> progress, CancellationToken cancellation)
    {
        var last = double.NaN;
        using var trainer = new Trainer(task, options);
        trainer.Run(step => { last = step.Loss; progress(step); }, cancellation);
        return last;
    }
}

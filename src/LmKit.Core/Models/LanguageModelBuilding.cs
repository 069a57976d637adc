using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>What makes a model, or a part of one, from what a builder wrote.</summary>
public static class LanguageModelBuilding
{
    /// <summary>Builds the model.</summary>
    /// <param name="builder">The builder.</param>
    /// <exception cref="ConfigurationException">The configuration cannot work; names the option and its value.</exception>
    public static LanguageModel Build(this LanguageModelBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return LanguageModel.Build(builder.Config, builder.Kinds, builder.Device, builder.Dtype);
    }

    /// <summary>What a model of a configuration would consist of, as a table for people; no weights are made.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="kinds">Kinds that it names beside Core's own.</param>
    /// <exception cref="ConfigurationException">The configuration cannot work; names the option and its value.</exception>
    public static ModelDescription Describe(this ModelConfig config, ComponentRegistry? kinds = null)
    {
        ArgumentNullException.ThrowIfNull(config);
        using var model = LanguageModel.Build(config, kinds ?? new ComponentRegistry(), new Device(DeviceType.META), ScalarType.Float32, initializes: false);
        return model.Describe();
    }

    /// <summary>The context in which one layer's mixer would be built, for building or testing a mixer by itself.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="random">Source of initial values and dropout; must outlive what is built.</param>
    public static LayerContext CreateLayerContext(this LanguageModelBuilder builder, int layer, Generator random)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var build = new ModelBuild(new ModelPlan(builder.Config, builder.Kinds));
        var hollow = new ParameterFactory(random, builder.Dtype, new Device(DeviceType.META), initializes: false);
        (build.CreateConditioning(new LayerContext(build, build.Options.LayerCount, "conditioning", hollow, random)) as IDisposable)?.Dispose(); // tells its width
        return new(build, layer, $"layers.{layer}.mixer", new ParameterFactory(random, builder.Dtype, builder.Device), random);
    }
}
